"""The scene that the simulator's log tells of."""

import json

import pytest

from embodied_mem.benchmarks.demo.grading import TrueStay
from embodied_mem.benchmarks.demo.truth import scene_from_log
from embodied_mem.errors import DamagedStore


def where(x, room="kitchen"):
    return {
        "centre_world": [x, 1.0, 0.8],
        "yaw_rad": 0.0,
        "receptacle": "table",
        "room": room,
        "carrier": None,
    }


def deed(kind, subject, start_ns, end_ns, after, outcome="success"):
    return {
        "type": "deed", "kind": kind, "actor": "person", "subject": subject, "category": "mug", "start_ns": start_ns,
        "end_ns": end_ns, "outcome": outcome, "before": None, "after": after,
    }  # fmt: skip


def frame(stamp_ns, **pixels):
    return {
        "type": "frame",
        "stamp_ns": stamp_ns,
        "robot": [0, 0, 0],
        "room": "kitchen",
        "pixels": pixels,
        "moved": {},
    }


def write(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


START = {
    "type": "start",
    "seed": 3,
    "plan": {
        "rooms": [{"name": "kitchen", "kind": "kitchen", "bounds": [0.0, 0.0, 4.0, 3.0]}],
        "receptacles": [],
        "furniture": [],
    },
    "objects": [
        {
            "id": name,
            "category": category,
            "colour": "red",
            "size_m": [0.1] * 3,
            "twin": None,
            "where": where(x),
        }
        for name, category, x in (("mug_1", "mug", 1.0), ("book_1", "book", 2.0), ("can_1", "can", 3.0))
    ],
}


def test_a_log_gives_stays_looks_and_the_time_away(tmp_path):
    log = write(
        tmp_path / "log.jsonl", START, frame(100, mug_1=300, book_1=50), frame(200, mug_1=200),
        deed("pick", "mug_1", 300, 310, where(1.0)), deed("place", "mug_1", 400, 410, where(3.5)),
        deed("pick", "can_1", 420, 425, where(3.0), outcome="failed"),
        deed("pick", "book_1", 450, 460, where(2.0)),
        deed("remove", "book_1", 500, 500, {**where(0.0), "centre_world": None}),
        frame(600, mug_1=90), frame(700, mug_1=80, can_1=10),
    )  # fmt: skip
    scene = scene_from_log(log)
    assert (scene.left_ns, scene.returned_ns, scene.end_ns) == (299, 500, 700)
    mug, book, can = scene.objects
    assert mug.stays == (
        TrueStay(position_world_m=(1.0, 1.0, 0.8), from_ns=0, to_ns=300),
        TrueStay(position_world_m=(3.5, 1.0, 0.8), from_ns=400, to_ns=None),
    )
    assert book.is_gone
    assert not can.is_gone
    assert (mug.best_pixels_before, mug.best_pixels_after) == (300, 90)
    assert (can.best_pixels_before, can.best_pixels_after) == (0, 10)
    assert scene.room_of((1.0, 1.0, 0.8)) == "kitchen"
    assert scene.room_of((9.0, 1.0, 0.8)) is None
    assert mug.position_at(350) is None


def test_only_the_last_episode_of_a_log_counts(tmp_path):
    log = write(tmp_path / "log.jsonl", START, frame(5, mug_1=999), START, frame(7, mug_1=1))
    scene = scene_from_log(log)
    assert scene.objects[0].best_pixels_before == 1
    assert scene.end_ns == 7


@pytest.mark.parametrize("content", ["", "not json", '{"type": "frame"}', '{"type": "start"}\n'])
def test_a_log_that_is_not_whole_is_refused(tmp_path, content):
    path = tmp_path / "log.jsonl"
    path.write_text(content)
    with pytest.raises(DamagedStore, match="run the episode again"):
        scene_from_log(path)
