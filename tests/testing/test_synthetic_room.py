from __future__ import annotations

import numpy as np
import pytest

from embodied_mem.geometry import back_project, transform
from embodied_mem.messages import Frame
from embodied_mem.testing import FakeClock, SyntheticRoom


def points_of(frame: Frame, label: str) -> np.ndarray:
    ids = [d.instance for d in frame.detections if d.label == label]
    assert frame.segmentation is not None
    v, u = np.nonzero(np.isin(frame.segmentation, ids))
    points = back_project(frame.camera, frame.depth_m[v, u], u.astype(np.float32), v.astype(np.float32))
    return transform(frame.T_world_camera, points)


def test_every_object_is_seen_on_its_own_surface() -> None:
    room = SyntheticRoom(seed=3)
    frames = list(room.frames(8))
    for thing in room.things.values():
        same_label = [t.box for t in room.things.values() if t.label == thing.label]
        points = np.vstack([points_of(frame, thing.label) for frame in frames])
        assert len(points) > 50
        assert np.any([box.contains(points, margin_m=1e-3) for box in same_label], axis=0).all()
        assert thing.box.contains(points, margin_m=1e-3).any()


def test_the_same_seed_gives_the_same_bytes() -> None:
    for a, b in zip(SyntheticRoom(seed=5).frames(3), SyntheticRoom(seed=5).frames(3), strict=True):
        assert a.rgb is not None
        assert b.rgb is not None
        assert a.segmentation is not None
        assert b.segmentation is not None
        assert a.stamp_ns == b.stamp_ns
        assert a.depth_m.tobytes() == b.depth_m.tobytes()
        assert a.rgb.tobytes() == b.rgb.tobytes()
        assert a.segmentation.tobytes() == b.segmentation.tobytes()


def test_instance_numbers_are_drawn_anew_for_every_frame() -> None:
    ids = [
        {d.instance for d in frame.detections if d.label == "table"} for frame in SyntheticRoom().frames(6)
    ]
    assert len(set.union(*ids)) > 1  # type: ignore[arg-type]


def test_what_is_moved_or_removed_is_seen_so() -> None:
    room = SyntheticRoom(seed=1)
    room.move("red mug", (0.6, 3.4, 0.055))
    room.remove("bottle")
    labels = {d.label for frame in room.frames(8) for d in frame.detections}
    assert "bottle" not in labels
    assert np.allclose(room.things["red mug"].box.center, (0.6, 3.4, 0.055))
    with pytest.raises(KeyError, match="no thing named 'bottle'"):
        room.remove("bottle")


def test_a_fake_clock_never_goes_back() -> None:
    clock = FakeClock(5)
    assert clock.advance(1e-9) == 6
    with pytest.raises(ValueError, match="cannot go back"):
        clock.advance(-1.0)
