"""What the occupancy map promises to those who read it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from embodied_mem.errors import ConfigError, DamagedStore, InvalidQuery, NewerSchema, StampRunsBackwards
from embodied_mem.geometry import Box, look_at
from embodied_mem.layers.occupancy import FREE, OCCUPIED, UNKNOWN, OccupancyConfig, OccupancyLayer
from embodied_mem.layers.occupancy._storage import BRICK_FIELDS, GAUSSIAN_FIELDS, Capacity
from embodied_mem.messages import Frame, Percept, PinholeCamera

See = Callable[..., Percept]

# Not on a border between cells, where rounding would choose the side.
WALL = Box(min_m=(3.04, -4.0, -3.0), max_m=(3.2, 4.0, 5.0))
CRATE = Box(min_m=(1.64, -0.33, 0.67), max_m=(2.0, 0.33, 1.33))
EYE, AHEAD = (0.0, 0.0, 1.0), (3.0, 0.0, 1.0)
CONFIG = OccupancyConfig(cell_m=0.1, stride_px=1)


def around(seconds: int) -> tuple[float, float, float]:
    """A hand-held camera's small moves."""
    return (0.05 * (seconds % 3), 0.04 * (seconds % 5) - 0.08, 1.0 + 0.03 * (seconds % 4))


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(
        a[k].dtype == b[k].dtype and a[k].tobytes() == b[k].tobytes() for k in a
    )


def test_a_wall_is_occupied_the_way_to_it_free_and_behind_it_unknown(see: See) -> None:
    layer = OccupancyLayer(CONFIG)
    for i in range(4):
        layer.update(see(i, around(i), AHEAD, [WALL]))
    points = np.array(
        [[1.5, 0.0, 1.0], [3.04, 0.0, 1.0], [3.3, 0.0, 1.0], [-1.0, 0.0, 1.0], [50.0, 0.0, 0.0]]
    )
    assert layer.state_at(points).tolist() == [FREE, OCCUPIED, UNKNOWN, UNKNOWN, UNKNOWN]
    probability = layer.occupancy_at(points)
    assert probability[0] < 0.3
    assert probability[1] > 0.8
    assert np.isnan(probability[2:]).all()


def test_unknown_space_is_never_reported_free(see: See) -> None:
    """Whatever was behind a surface in every view, or beside every view, stays unknown."""
    layer = OccupancyLayer(CONFIG)
    percepts = [see(i, around(i), AHEAD, [CRATE, WALL]) for i in range(6)]
    for percept in percepts:
        layer.update(percept)
    points = np.random.default_rng(0).uniform((-1.0, -3.0, -1.0), (4.5, 3.0, 3.0), size=(40_000, 3))
    is_visible = np.zeros(len(points), dtype=bool)
    for percept in percepts:
        frame = percept.frame
        p = (points - frame.T_world_camera[:3, 3]) @ frame.T_world_camera[:3, :3]
        z = np.where(p[:, 2] > 0, p[:, 2], np.nan)
        # One cell's diagonal of tolerance: a cell is judged as a whole.
        slack_px = 2.0 + 0.18 * frame.camera.fx / z
        u, v = (
            p[:, 0] / z * frame.camera.fx + frame.camera.cx,
            p[:, 1] / z * frame.camera.fy + frame.camera.cy,
        )
        in_image = (u > -slack_px) & (u < 79 + slack_px) & (v > -slack_px) & (v < 59 + slack_px)
        columns = np.clip(np.nan_to_num(u), 0, 79).astype(int)
        rows = np.clip(np.nan_to_num(v), 0, 59).astype(int)
        reach = np.ceil(np.nan_to_num(slack_px, nan=0.0)).astype(int).clip(0, 80)
        furthest = np.array(
            [
                frame.depth_m[max(r - k, 0) : r + k + 1, max(c - k, 0) : c + k + 1].max()
                for r, c, k in zip(rows, columns, reach, strict=True)
            ]
        )
        is_visible |= in_image & (z < furthest + 0.18)
    states = layer.state_at(points)
    assert (~is_visible).sum() > 5_000
    assert (states[~is_visible] == FREE).sum() == 0
    assert (states[is_visible] == FREE).mean() > 0.5


@pytest.mark.parametrize("num_frames", [1, 10, 200])
def test_a_removed_box_is_gone_after_ten_clear_frames_however_long_it_was_seen(
    see: See, num_frames: int
) -> None:
    layer = OccupancyLayer(CONFIG)
    for i in range(num_frames):
        layer.update(see(i, around(i), AHEAD, [CRATE, WALL]))
    inside = np.array([[1.64, y, z] for y in np.arange(-0.23, 0.3, 0.05) for z in np.arange(0.77, 1.3, 0.05)])
    assert (layer.state_at(inside) == OCCUPIED).mean() > 0.7
    num_removed = 0
    for i in range(10):
        num_removed += layer.update(see(num_frames + i, around(i), AHEAD, [WALL])).num_removed
    snapshot = layer.snapshot().occupied()
    assert not CRATE.contains(snapshot.means_world, margin_m=0.05).any()
    assert (layer.state_at(inside) == OCCUPIED).sum() == 0
    for i in range(4):
        num_removed += layer.update(see(num_frames + 10 + i, around(i), AHEAD, [WALL])).num_removed
    assert not CRATE.contains(layer.snapshot().means_world, margin_m=0.05).any()
    assert num_removed > 20


def test_moving_the_world_by_whole_bricks_moves_the_map_and_changes_nothing_else(see: See) -> None:
    config = OccupancyConfig(cell_m=0.125, stride_px=1)
    shift_m = np.array([16.0, -8.0, 4.0])
    here, there = OccupancyLayer(config), OccupancyLayer(config)
    for i in range(5):
        here.update(see(i, around(i), AHEAD, [CRATE, WALL]))
        there.update(see(i, around(i), AHEAD, [CRATE, WALL], shift_m=shift_m))
    a, b = here.state(), there.state()
    assert np.array_equal(a["brick_coord"] + shift_m.astype(int), b["brick_coord"])
    assert np.array_equal(a["cells"], b["cells"])
    assert np.abs(a["mean"].astype(int) - b["mean"].astype(int)).max() <= 1


def test_the_same_frames_give_the_same_bytes(see: See) -> None:
    layers = [OccupancyLayer(CONFIG), OccupancyLayer(CONFIG)]
    for layer in layers:
        for i in range(5):
            layer.update(see(i, around(i), AHEAD, [CRATE, WALL]))
    assert same(layers[0].state(), layers[1].state())


def test_without_conflicts_the_order_of_frames_does_not_matter(see: See) -> None:
    """The same static view with different noise: hits only, so sums commute up to quantisation."""
    percepts = []
    for i in range(6):
        frame = see(i, EYE, AHEAD, [WALL]).frame
        noise = np.random.default_rng(i).uniform(-0.005, 0.005, frame.depth_m.shape).astype(np.float32)
        percepts.append((frame, np.where(frame.depth_m > 0, frame.depth_m + noise, 0).astype(np.float32)))
    maps = []
    for order in (range(6), reversed(range(6))):
        layer = OccupancyLayer(CONFIG)
        for stamp, i in enumerate(order):
            frame, depth_m = percepts[i]
            again = Frame(
                stamp_ns=stamp, camera=frame.camera, T_world_camera=frame.T_world_camera, depth_m=depth_m
            )
            layer.update(Percept(frame=again, instances=()))
        maps.append(layer.snapshot())
    where = [
        {tuple(c): i for i, c in enumerate(np.floor(m.means_world / 0.1).astype(int).tolist())} for m in maps
    ]
    common = sorted(where[0].keys() & where[1].keys())
    assert len(common) > 0.97 * max(len(m) for m in maps)
    a, b = (maps[k].means_world[[where[k][c] for c in common]] for k in (0, 1))
    assert np.abs(a - b).max() < 1e-3
    assert np.quantile(np.abs(a - b), 0.95) < 1e-5


def test_rays_end_at_the_surface_and_name_its_label(see: See) -> None:
    layer = OccupancyLayer(CONFIG)
    for i in range(4):
        percept = see(i, around(i), AHEAD, [CRATE, WALL])
        label_index = np.where(percept.frame.depth_m < 2.5, 1, 0).astype(np.int16)
        layer.update(
            Percept(frame=percept.frame, instances=(), labels=("wall", "crate"), label_index=label_index)
        )
    depth_m, label = layer.cast_rays(
        np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]),
        np.array([[2.0, 0.0, 0.0], [1.0, -0.5, 0.0], [-1.0, 0.0, 0.0]]),
        10.0,
    )
    assert depth_m[0] == pytest.approx(1.64, abs=0.02)
    assert depth_m[1] == pytest.approx(3.04 * np.sqrt(1.25), abs=0.03)
    assert np.isinf(depth_m[2])
    assert [layer.labels[i] for i in label[:2]] == ["crate", "wall"]
    assert label[2] == -1


def test_a_ray_ends_at_its_range(see: See) -> None:
    layer = OccupancyLayer(CONFIG)
    layer.update(see(0, EYE, AHEAD, [WALL]))
    depth_m, _ = layer.cast_rays(np.array([EYE, EYE]), np.array([[1.0, 0, 0], [1.0, 0, 0]]), 2.9)
    assert np.isinf(depth_m).all()
    assert layer.cast_rays(np.array([EYE]), np.array([[1.0, 0, 0]]), 3.1)[0] == pytest.approx(3.04, abs=0.02)


def test_people_carve_but_are_not_in_the_map(see: See) -> None:
    layer = OccupancyLayer(CONFIG)
    for i in range(5):
        percept = see(i, EYE, AHEAD, [CRATE, WALL])
        label_index = np.where(percept.frame.depth_m < 2.5, 0, 1).astype(np.int16)
        layer.update(
            Percept(frame=percept.frame, instances=(), labels=("person", "wall"), label_index=label_index)
        )
    snapshot = layer.snapshot()
    assert not CRATE.contains(snapshot.means_world, margin_m=0.1).any()
    assert layer.state_at(np.array([[1.3, 0.0, 1.0], [1.8, 0.0, 1.0]])).tolist() == [FREE, UNKNOWN]
    assert layer.labels == ("wall",)


def test_the_strongest_label_of_many_frames_wins(see: See) -> None:
    layer = OccupancyLayer(CONFIG)
    names = ["shelf", "wall", "wall", "door", "wall", "shelf", "wall"]
    for i, name in enumerate(names):
        percept = see(i, EYE, AHEAD, [WALL])
        zeros = np.zeros(percept.frame.depth_m.shape, dtype=np.int16)
        layer.update(Percept(frame=percept.frame, instances=(), labels=(name,), label_index=zeros))
    snapshot = layer.snapshot()
    assert {snapshot.labels[i] for i in snapshot.label_index} == {"wall"}
    assert snapshot.label_share.min() > 0.5


def test_a_snapshot_has_colours_and_stamps_and_does_not_change(see: See) -> None:
    layer = OccupancyLayer(CONFIG)
    orange = np.full((60, 80, 3), (250, 120, 10), dtype=np.uint8)
    layer.update(see(10**12, EYE, AHEAD, [WALL], rgb=orange))
    snapshot = layer.snapshot()
    before = snapshot.means_world.copy()
    for i in range(1, 4):
        layer.update(see(10**12 + i * 10**10, around(i), AHEAD, [CRATE, WALL], rgb=orange))
    assert np.abs(snapshot.color_rgb.astype(int) - (250, 120, 10)).max() <= 1
    assert np.array_equal(snapshot.means_world, before)
    assert not snapshot.means_world.flags.writeable
    latest = layer.snapshot()
    assert np.abs(latest.first_seen_ns - 10**12).min() < 10**8
    assert np.abs(latest.last_seen_ns - (10**12 + 3 * 10**10)).min() < 10**8
    assert (latest.first_seen_ns <= latest.last_seen_ns).all()


def test_free_cells_are_free(see: See) -> None:
    layer = OccupancyLayer(CONFIG)
    for i in range(3):
        layer.update(see(i, around(i), AHEAD, [CRATE, WALL]))
    centers = layer.free_cells()
    assert len(centers) > 1000
    assert (layer.state_at(centers) == FREE).all()


def test_a_stamp_that_runs_backwards_is_refused_and_changes_nothing(see: See) -> None:
    layer = OccupancyLayer(CONFIG)
    layer.update(see(1000, EYE, AHEAD, [WALL]))
    before = layer.state()
    with pytest.raises(StampRunsBackwards, match="1000 ns"):
        layer.update(see(999, EYE, AHEAD, [CRATE, WALL]))
    assert same(before, layer.state())
    other = see(5, EYE, AHEAD, [WALL]).frame
    layer.update(
        Percept(
            frame=Frame(
                stamp_ns=5,
                camera=other.camera,
                T_world_camera=other.T_world_camera,
                depth_m=other.depth_m,
                sensor="b",
            ),
            instances=(),
        )
    )


def test_saving_and_loading_gives_the_same_bytes_and_the_same_future(see: See) -> None:
    layer, loaded = OccupancyLayer(CONFIG), OccupancyLayer(CONFIG)
    label_index = np.zeros((60, 80), dtype=np.int16)
    for i in range(5):
        layer.update(see(i, around(i), AHEAD, [CRATE, WALL], labels=("thing",), label_index=label_index))
    loaded.update(see(77, (0.0, 0.0, 1.0), (0.0, 3.0, 1.0), [WALL]))
    loaded.load_state(layer.state())
    assert same(layer.state(), loaded.state())
    for i in range(5, 12):
        for each in (layer, loaded):
            each.update(see(i, around(i), AHEAD, [WALL]))
    assert same(layer.state(), loaded.state())
    with pytest.raises(StampRunsBackwards):
        loaded.update(see(3, EYE, AHEAD, [WALL]))


def test_an_empty_map_round_trips() -> None:
    layer = OccupancyLayer(CONFIG)
    layer.load_state(OccupancyLayer(CONFIG).state())
    assert len(layer.snapshot()) == 0
    assert len(layer.free_cells()) == 0
    assert np.isnan(layer.occupancy_at(np.zeros((1, 3)))).all()


def test_damaged_newer_or_foreign_states_are_refused_and_change_nothing(see: See) -> None:
    layer = OccupancyLayer(CONFIG)
    layer.update(see(0, EYE, AHEAD, [WALL]))
    good = layer.state()
    cells = good["cells"].copy()
    cells[np.unravel_index(np.argmax(cells), cells.shape)] = 0
    bad: list[tuple[type[Exception], dict[str, np.ndarray]]] = [
        (DamagedStore, {k: v for k, v in good.items() if k != "mean"}),
        (DamagedStore, good | {"mean": good["mean"][:-1]}),
        (DamagedStore, good | {"cells": cells}),
        (NewerSchema, good | {"schema_version": np.array(99)}),
        (ConfigError, good | {"options": good["options"] * 2}),
    ]
    for error, state in bad:
        with pytest.raises(error):
            layer.load_state(state)
        assert same(good, layer.state())


def test_one_flipped_bit_anywhere_is_refused(see: See) -> None:
    layer = OccupancyLayer(CONFIG)
    layer.update(see(0, EYE, AHEAD, [WALL]))
    good = layer.state()
    for name in ("mean", "covariance", "cells", "color", "last_seen_tick", "brick_seen_tick", "sha256"):
        bad = good[name].copy()
        bad.view(np.uint8).reshape(-1)[7] ^= 4
        with pytest.raises(DamagedStore, match="Nothing was changed"):
            layer.load_state(good | {name: bad})
        assert same(good, layer.state())


def test_a_map_of_schema_1_is_read(see: See) -> None:
    layer = OccupancyLayer(CONFIG)
    label_index = np.zeros((60, 80), dtype=np.int16)
    for i in range(3):
        layer.update(see(i, around(i), AHEAD, [CRATE, WALL], labels=("thing",), label_index=label_index))
    now = layer.state()
    old = {name: array for name, array in now.items() if name != "sha256"} | {
        "schema_version": np.array(1, dtype=np.int32),
        "weight": now["weight"].astype(np.float32),
        "label_weights": now["label_weights"].astype(np.uint16) * 9,
    }
    loaded = OccupancyLayer(CONFIG)
    loaded.load_state(old)
    layer.load_state(now)  # puts both in the same order
    snapshot, before = loaded.snapshot(), layer.snapshot()
    assert np.array_equal(snapshot.means_world, before.means_world)
    assert np.allclose(snapshot.label_share, before.label_share, atol=0.02)
    assert np.array_equal(loaded.state()["weight"], now["weight"])


def test_the_count_of_bytes_is_what_the_arrays_hold(see: See) -> None:
    layer = OccupancyLayer(OccupancyConfig(cell_m=0.05, stride_px=1))
    for i in range(4):
        layer.update(see(i, around(i), AHEAD, [CRATE, WALL]))
    arrays = layer._map.storage.arrays
    names = (*BRICK_FIELDS, *GAUSSIAN_FIELDS, "cells", "brick_hash", "gaussian_hash", "counters")
    held = sum(getattr(arrays, name).numpy().nbytes for name in names)
    assert layer.num_bytes == held
    gaussians = Capacity(0, 1000).num_bytes - Capacity(0, 0).num_bytes
    assert gaussians <= 48 * 1000  # with its share of the hash; bricks of free space come on top


def test_the_budget_is_never_exceeded_and_what_was_seen_last_stays(camera: PinholeCamera) -> None:
    config = OccupancyConfig(cell_m=0.1, stride_px=1, budget_bytes=1 << 20)
    layer = OccupancyLayer(config)
    depth_m = np.full((60, 80), 2.04, dtype=np.float32)
    for i in range(60):
        eye = np.array([0.0, 1.5 * i, 0.0])
        frame = Frame(
            stamp_ns=i * 10**9,
            camera=camera,
            T_world_camera=look_at(eye, eye + np.array([1.0, 0.0, 0.0])),
            depth_m=depth_m,
        )
        change = layer.update(Percept(frame=frame, instances=()))
        assert change.num_bytes == layer.num_bytes <= config.budget_bytes
    assert layer.num_evicted > 0
    last = np.array([[2.04, 1.5 * 59, 0.0], [1.0, 1.5 * 59, 0.0], [1.0, 0.0, 0.0]])
    assert layer.state_at(last).tolist() == [OCCUPIED, FREE, UNKNOWN]
    state = layer.state()
    again = OccupancyLayer(config)
    again.load_state(state)
    assert same(state, again.state())


def test_growing_loses_nothing(see: See) -> None:
    """A map that starts small and grows often is the map that had room from the start."""
    layer = OccupancyLayer(CONFIG)
    roomy = OccupancyLayer(CONFIG)
    for i in range(8):
        eye, target = (0.0, 0.3 * i, 1.0), (3.0, 0.5 * i, 1.0)
        layer.update(see(i, eye, target, [CRATE, WALL]))
        roomy.load_state(roomy.state())
        roomy.update(see(i, eye, target, [CRATE, WALL]))
    assert same(layer.state(), roomy.state())


def test_a_frame_without_depth_changes_nothing_but_the_stamp(camera: PinholeCamera) -> None:
    layer = OccupancyLayer(CONFIG)
    nothing = np.zeros((60, 80), dtype=np.float32)
    frame = Frame(stamp_ns=9, camera=camera, T_world_camera=np.eye(4), depth_m=nothing)
    change = layer.update(Percept(frame=frame, instances=()))
    assert (change.num_points, change.num_live, change.num_added) == (0, 0, 0)


def test_depth_beyond_the_range_says_free_up_to_the_range(camera: PinholeCamera) -> None:
    layer = OccupancyLayer(OccupancyConfig(cell_m=0.1, stride_px=1, max_depth_m=2.0))
    far = np.full((60, 80), 8.0, dtype=np.float32)
    frame = Frame(
        stamp_ns=0, camera=camera, T_world_camera=look_at(np.array(EYE), np.array(AHEAD)), depth_m=far
    )
    layer.update(Percept(frame=frame, instances=()))
    assert layer.state_at(np.array([[1.5, 0.0, 1.0], [2.5, 0.0, 1.0]])).tolist() == [FREE, UNKNOWN]
    assert len(layer.snapshot()) == 0


def test_reset_forgets_everything(see: See) -> None:
    layer = OccupancyLayer(CONFIG)
    layer.update(see(1000, EYE, AHEAD, [WALL]))
    layer.reset()
    assert same(layer.state(), OccupancyLayer(CONFIG).state())
    layer.update(see(5, EYE, AHEAD, [WALL]))


@pytest.mark.parametrize(
    "changes",
    [
        {"cell_m": 0.0},
        {"miss_log_odds": 0.1},
        {"stride_px": 0},
        {"budget_bytes": 10},
        {"max_depth_m": 1000.0},
    ],
)
def test_options_that_make_no_sense_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(changes))):
        OccupancyConfig(**changes)  # type: ignore[arg-type]


def test_an_unknown_device_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="cpu"):
        OccupancyLayer(OccupancyConfig(device="tpu"))


def test_questions_that_cannot_be_asked_are_refused() -> None:
    layer = OccupancyLayer(CONFIG)
    with pytest.raises(InvalidQuery, match=r"\(3,\)"):
        layer.state_at(np.zeros(3))
    with pytest.raises(InvalidQuery, match="length zero"):
        layer.cast_rays(np.zeros((1, 3)), np.zeros((1, 3)), 5.0)
