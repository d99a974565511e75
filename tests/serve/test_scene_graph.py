"""Scene graphs survive their files: ours in spark_dsg, spark_dsg's in ours."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from embodied_mem.errors import InvalidMessage, UnsupportedEncoding
from embodied_mem.robot_memory import RobotMemory
from embodied_mem.serve.memory_graph import graph_of, import_objects
from embodied_mem.serve.scene_graph import SceneGraph, read_dsg, write_dsg, write_graphml, write_json
from embodied_mem.testing.synthetic_room import SyntheticRoom

needs_spark_dsg = pytest.mark.skipif(
    importlib.util.find_spec("spark_dsg") is None, reason="spark_dsg is not installed; pip install spark-dsg"
)


@pytest.fixture(scope="module")
def memory() -> RobotMemory:
    made = RobotMemory.open()
    for frame in SyntheticRoom(seed=0).frames(12):
        made.observe(frame)
    return made


def as_rows(graph: SceneGraph) -> tuple[object, object]:
    nodes = {n.node_id: (n.layer, n.partition, n.name, n.position_world_m) for n in graph.nodes}
    return nodes, sorted((e.source, e.target, e.info.get("weight")) for e in graph.edges)


@pytest.mark.data
def test_a_real_apartment_survives_the_round_trip(data_folder: Path, tmp_path: Path) -> None:
    path = data_folder / "spark_dsg" / "apartment_dsg.json"
    if not path.is_file():
        pytest.skip(f"no scene graph at {path}; set EMBODIED_MEM_DATA")
    graph = read_dsg(path)
    assert (len(graph.nodes), len(graph.edges)) == (296, 742)
    write_dsg(graph, tmp_path / "again.json")
    again = read_dsg(tmp_path / "again.json")
    assert as_rows(again) == as_rows(graph)
    kept = {"position", "semantic_label", "last_update_time_ns", "is_active"}
    for old, new in zip(graph.nodes, again.nodes, strict=True):
        assert {k: old.attributes.get(k) for k in kept} == {k: new.attributes.get(k) for k in kept}
        assert set(old.attributes) <= set(new.attributes)


@pytest.mark.data
@needs_spark_dsg
def test_spark_dsg_reads_the_apartment_that_we_wrote(data_folder: Path, tmp_path: Path) -> None:
    import spark_dsg

    path = data_folder / "spark_dsg" / "apartment_dsg.json"
    if not path.is_file():
        pytest.skip(f"no scene graph at {path}; set EMBODIED_MEM_DATA")
    write_dsg(read_dsg(path), tmp_path / "again.json")
    theirs = spark_dsg.DynamicSceneGraph.load(str(path))
    ours = spark_dsg.DynamicSceneGraph.load(str(tmp_path / "again.json"))
    assert (ours.num_nodes(), ours.num_edges()) == (theirs.num_nodes(), theirs.num_edges()) == (296, 742)
    for node in theirs.nodes:
        same = ours.get_node(node.id.value)
        assert np.allclose(node.attributes.position, same.attributes.position)
        assert node.layer == same.layer


@pytest.mark.data
def test_objects_of_the_apartment_become_entities(data_folder: Path) -> None:
    path = data_folder / "spark_dsg" / "apartment_dsg.json"
    if not path.is_file():
        pytest.skip(f"no scene graph at {path}; set EMBODIED_MEM_DATA")
    graph = read_dsg(path)
    with RobotMemory.open() as memory:
        assert import_objects(memory, graph, stamp_ns=1_000_000_000) == 7
        centers = np.array([entity.placement.position_world_m for entity in memory.entities()])
        for node in graph.nodes:
            if node.layer == 2 and not node.partition:
                center = np.array(node.attributes["bounding_box"]["world_P_center"])
                assert np.linalg.norm(centers - center, axis=1).min() < 0.05
        assert memory.find().value is not None
        assert len(memory.find().value or ()) == 7


def test_a_memory_becomes_a_graph_and_comes_back_from_its_file(memory: RobotMemory, tmp_path: Path) -> None:
    graph = graph_of(memory)
    write_dsg(graph, tmp_path / "home.dsg.json")
    again = read_dsg(tmp_path / "home.dsg.json")
    assert as_rows(again) == as_rows(graph)
    labels = sorted(
        n.attributes["metadata"]["label"] for n in graph.nodes if n.layer == 2 and not n.partition
    )
    assert labels == sorted(entity.label for entity in memory.entities() if entity.is_present)
    mug = memory.where("red mug").value
    table = memory.where("table").value
    assert mug is not None
    assert table is not None
    joined = {(e.source & 0xFFFF, e.target & 0xFFFF, e.info["metadata"].get("kind")) for e in graph.edges}
    assert (int(mug.entity_id[1:]), int(table.entity_id[1:]), "on") in joined
    with RobotMemory.open() as other:
        import_objects(other, again, stamp_ns=5_000_000_000)
        found = other.find(label="mug").value or ()
        assert len(found) == 2
        assert other.where("table").value is not None


@needs_spark_dsg
def test_spark_dsg_reads_a_memory(memory: RobotMemory, tmp_path: Path) -> None:
    import spark_dsg

    graph = graph_of(memory)
    write_dsg(graph, tmp_path / "home.dsg.json")
    loaded = spark_dsg.DynamicSceneGraph.load(str(tmp_path / "home.dsg.json"))
    assert loaded.num_nodes() == len(graph.nodes)
    assert loaded.num_edges() == len(graph.edges)


def test_json_and_graphml_name_everything(memory: RobotMemory, tmp_path: Path) -> None:
    import xml.etree.ElementTree as ET

    graph = graph_of(memory)
    write_json(graph, tmp_path / "g.json")
    document = json.loads((tmp_path / "g.json").read_text())
    assert len(document["nodes"]) == len(graph.nodes)
    assert {node["layer"] for node in document["nodes"]} >= {"OBJECTS", "AGENTS"}
    write_graphml(graph, tmp_path / "g.graphml")
    root = ET.parse(tmp_path / "g.graphml").getroot()
    space = {"g": "http://graphml.graphdrawing.org/xmlns"}
    assert len(root.findall(".//g:node", space)) == len(graph.nodes)
    assert len(root.findall(".//g:edge", space)) == len(graph.edges)


def test_what_is_no_graph_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"nodes": 3}')
    with pytest.raises(UnsupportedEncoding, match="spark_dsg"):
        read_dsg(tmp_path / "x.json")
    with RobotMemory.open() as memory, pytest.raises(InvalidMessage, match="nothing to import"):
        import_objects(memory, SceneGraph(nodes=(), edges=()), stamp_ns=1)
