"""query, inspect and export on a memory that is on disk."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from embodied_mem.cli.main import cli
from embodied_mem.errors import InvalidQuery
from embodied_mem.robot_memory import RobotMemory
from embodied_mem.testing.synthetic_room import SyntheticRoom


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "room"
    room = SyntheticRoom(0)
    with RobotMemory.open(path) as memory:
        for frame in room.frames(16):
            memory.observe(frame)
        memory.save()
    return path, room


def invoke_json(*args):
    result = CliRunner().invoke(cli, [*map(str, args), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_query_answers_as_json_and_in_words(saved):
    path, room = saved
    answer = invoke_json("query", path, "where", "red mug")
    assert answer["status"] == "known"
    position = answer["value"]["placement"]["position_world_m"]
    assert np.linalg.norm(np.array(position) - room.things["red mug"].box.center) < 0.1
    assert invoke_json("query", path, "count", "--label", "mug")["value"] == 2
    spoken = CliRunner().invoke(cli, ["query", str(path), "where", "red mug"], catch_exceptions=False)
    assert answer["value"]["entity_id"] in spoken.stdout


def test_inspect_lists_what_is_there(saved):
    path, _ = saved
    report = invoke_json("inspect", path, "--label", "mug")
    assert [entity["label"] for entity in report["entities"]] == ["mug", "mug"]
    assert report["figures"]["gaussians"] > 0


def test_export_writes_a_point_cloud_a_list_of_things_and_a_picture(saved, tmp_path):
    path, _ = saved
    cloud = invoke_json("export", path, tmp_path / "map.ply")
    header, _, body = (tmp_path / "map.ply").read_bytes().partition(b"end_header\n")
    assert f"element vertex {cloud['items']}".encode() in header
    assert len(body) == cloud["items"] * 15
    things = invoke_json("export", path, tmp_path / "things.json")
    records = json.loads((tmp_path / "things.json").read_text())["entities"]
    assert len(records) == things["items"]
    assert all(record["history"] for record in records)
    assert invoke_json("export", path, tmp_path / "home.png")["items"] == len(records)
    assert (tmp_path / "home.png").read_bytes().startswith(b"\x89PNG")


def test_export_writes_splats_and_clouds_of_the_same_gaussians(saved, tmp_path):
    path, _ = saved
    splats = invoke_json("export", path, tmp_path / "map.splat.ply")["items"]
    assert f"element vertex {splats}\n".encode() in (tmp_path / "map.splat.ply").read_bytes()
    assert invoke_json("export", path, tmp_path / "map.pcd")["items"] == splats
    assert f"POINTS {splats}\n".encode() in (tmp_path / "map.pcd").read_bytes()


def test_export_to_a_suffix_that_nobody_writes_is_refused(saved, tmp_path):
    path, _ = saved
    result = CliRunner().invoke(cli, ["export", str(path), str(tmp_path / "map.docx")])
    assert "the suffix must be one of" in str(result.exception)


def test_ask_answers_every_question_by_its_name(saved):
    path, _ = saved
    (on,) = invoke_json("ask", path, "relation", "a=red mug", "relation=on")["value"]
    assert on["kind"] == "on"
    nearest = invoke_json("ask", path, "nearest", "what=mug", "origin_world_m=[0, 0, 1]", "k=2")["value"]
    assert len(nearest) == 2
    spoken = CliRunner().invoke(
        cli, ["ask", str(path), "world_summary", "task=the bottle"], catch_exceptions=False
    )
    assert "bottle" in spoken.stdout.splitlines()[1]
    with pytest.raises(InvalidQuery, match="Did you mean 'relation'"):
        invoke_json("ask", path, "relations")
    with pytest.raises(InvalidQuery, match="KEY=VALUE"):
        invoke_json("ask", path, "where", "red mug")


def test_inspect_counts_what_was_walked(saved):
    path, _ = saved
    assert 5.0 < invoke_json("inspect", path)["figures"]["way_m"] < 15.0


def test_export_writes_scene_graphs(saved, tmp_path):
    path, _ = saved
    for name in ("home.dsg.json", "home.graph.json", "home.graphml"):
        number = invoke_json("export", path, tmp_path / name)["items"]
        assert (tmp_path / name).read_text().count("red mug") >= 1
    graph = json.loads((tmp_path / "home.dsg.json").read_text())
    assert len(graph["nodes"]) == number
