import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embodied_mem.errors import ConfigError, InvalidMessage
from embodied_mem.geometry import look_at
from embodied_mem.messages import Detection, Frame, ObservedInstance
from embodied_mem.perception import Perception, PerceptionConfig
from embodied_mem.perception._reference import reference_points

from .scenes import camera, view

EXACT = PerceptionConfig(min_pixels=1)
"""Small images have a grid of stride 1, so nothing is thinned as long as instances have few pixels."""


def only(frame: Frame, config: PerceptionConfig = EXACT) -> ObservedInstance:
    (instance,) = Perception(config).perceive(frame).instances
    return instance


panels = st.lists(
    st.tuples(
        st.integers(0, 40), st.integers(0, 56), st.integers(3, 20), st.integers(3, 20), st.floats(0.5, 3.5)
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=40, deadline=None)
@given(panels, st.integers(0, 2**31))
def test_it_agrees_with_the_slow_reference(shapes: list[tuple[int, int, int, int, float]], seed: int) -> None:
    frame = view(*[(f"thing{i}", 2000 + i, shape[:4], shape[4]) for i, shape in enumerate(shapes)])
    noise = np.random.default_rng(seed).normal(0, 0.02, frame.depth_m.shape).astype(np.float32)
    holes = np.random.default_rng(seed + 1).random(frame.depth_m.shape) < 0.05
    frame = dataclasses.replace(
        frame, depth_m=np.where(holes, np.float32(0), frame.depth_m + noise).astype(np.float32)
    )
    config = PerceptionConfig(min_pixels=1, max_points=48 * 64, max_depth_m=3.4)
    seen = {instance.label: instance for instance in Perception(config).perceive(frame).instances}
    assert frame.segmentation is not None
    for i in range(len(shapes)):
        measured = (frame.segmentation == 2000 + i) & (frame.depth_m > 0.1) & (frame.depth_m <= 3.4)
        if measured.sum() < 3:
            assert f"thing{i}" not in seen
            continue
        instance = seen[f"thing{i}"]
        points, box, is_cut = reference_points(frame, 2000 + i, config)
        assert instance.num_pixels == (frame.segmentation == 2000 + i).sum()
        assert instance.is_cut == is_cut
        # Outliers are found on points repeated to one length, whose percentiles differ by at most one rank.
        if len(points) == len(instance.points_world):
            np.testing.assert_allclose(instance.points_world, points, atol=1e-4)
            np.testing.assert_allclose(instance.box.min_m, box.min_m, atol=1e-4)
            np.testing.assert_allclose(instance.box.max_m, box.max_m, atol=1e-4)
        else:
            assert abs(len(points) - len(instance.points_world)) <= 0.05 * len(points) + 2


def test_a_panel_is_lifted_to_where_it_is_in_world() -> None:
    box = only(view(("mug", 2001, (20, 30, 9, 9), 2.0))).box
    cam = camera()
    left_m = (30 + 1 - cam.cx) / cam.fx * 2.0  # the outermost pixels lie on the rim, where depth jumps
    assert box.min_m[0] == pytest.approx(3.0, abs=1e-5)  # 2 m ahead of x = 1
    assert box.max_m[1] == pytest.approx(2.0 - left_m, abs=1e-5)  # image right is world -y
    assert box.max_m[2] == pytest.approx(1.5 - (20 + 1 - cam.cy) / cam.fy * 2.0, abs=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.tuples(*[st.floats(-20, 20)] * 3))
def test_moving_the_camera_moves_the_points_along(offset_m: tuple[float, float, float]) -> None:
    frame = view(("mug", 2001, (20, 30, 9, 9), 2.0))
    moved = np.array(frame.T_world_camera)
    moved[:3, 3] += offset_m
    before, after = only(frame), only(dataclasses.replace(frame, T_world_camera=moved))
    np.testing.assert_allclose(after.points_world, before.points_world + np.array(offset_m), atol=1e-4)
    np.testing.assert_allclose(after.box.center, before.box.center + np.array(offset_m), atol=1e-4)
    assert after.distance_m == pytest.approx(before.distance_m, abs=1e-4)


def test_permuting_ids_changes_nothing() -> None:
    a = view(("mug", 2001, (5, 5, 9, 9), 2.0), ("bowl", 3001, (25, 30, 9, 9), 1.5))
    b = view(("mug", 77, (5, 5, 9, 9), 2.0), ("bowl", 3, (25, 30, 9, 9), 1.5))
    for one, other in zip(
        Perception().perceive(a).instances, Perception().perceive(b).instances, strict=True
    ):
        assert one.label == other.label
        np.testing.assert_array_equal(one.points_world, other.points_world)


@pytest.mark.parametrize("instance", [-5, 0, 2**22 + 7, 2**31 - 1])
def test_any_int32_can_be_an_id(instance: int) -> None:
    assert only(view(("mug", instance, (20, 30, 9, 9), 2.0))).num_pixels == 81


def test_walls_label_pixels_but_are_no_instances() -> None:
    percept = Perception(EXACT).perceive(view(("mug", 2001, (20, 30, 9, 9), 2.0)))
    assert percept.label_index is not None
    assert [i.label for i in percept.instances] == ["mug"]
    assert percept.labels[percept.label_index[0, 0]] == "wall"
    assert percept.labels[percept.label_index[24, 34]] == "mug"


def test_ids_that_no_detection_names_have_no_label() -> None:
    frame = view(("mug", 2001, (20, 30, 9, 9), 2.0), detections=(Detection(label="mug", instance=2001),))
    percept = Perception(EXACT).perceive(frame)
    assert percept.label_index is not None
    assert percept.label_index[0, 0] == -1
    assert (percept.label_index == 0).sum() == 81


def test_a_frame_without_detections_is_an_empty_percept() -> None:
    percept = Perception().perceive(view(segmentation=None, detections=()))
    assert percept.instances == ()
    assert percept.label_index is None


def test_a_thing_that_touches_the_border_is_cut() -> None:
    assert only(view(("mug", 2001, (20, 55, 9, 9), 2.0))).is_cut


def test_a_thing_behind_another_is_cut_and_the_one_in_front_is_not() -> None:
    frame = view(("bowl", 3001, (15, 20, 20, 20), 2.0), ("mug", 2001, (20, 15, 9, 9), 1.5))
    cut = {i.label: i.is_cut for i in Perception(EXACT).perceive(frame).instances}
    assert cut == {"bowl": True, "mug": False}


def test_a_thing_beyond_the_depth_limit_is_cut() -> None:
    depth = np.array(view(("mug", 2001, (10, 10, 20, 20), 2.0)).depth_m)
    depth[10:30, 25:30] = 11.0
    assert only(view(("mug", 2001, (10, 10, 20, 20), 2.0), depth_m=depth)).is_cut


def test_flying_pixels_do_not_stretch_the_box() -> None:
    clean = view(("mug", 2001, (15, 20, 16, 16), 2.0))
    depth = np.array(clean.depth_m)
    depth[15:31, 20] = np.linspace(2.0, 4.0, 16)  # a column between the mug and the wall, as stereo makes it
    depth[22, 27] = 3.9
    box = only(view(("mug", 2001, (15, 20, 16, 16), 2.0), depth_m=depth)).box
    assert box.size[0] < 0.01


def test_a_thin_thing_keeps_its_rim() -> None:
    spoon = only(view(("spoon", 2001, (20, 10, 1, 30), 2.0)))
    assert len(spoon.points_world) == 30


def test_points_are_thinned_to_the_limit_and_spread_over_the_thing() -> None:
    frame = view(("table", 2001, (5, 5, 38, 54), 2.0))
    thin = only(frame, PerceptionConfig(max_points=100))
    full = only(frame, PerceptionConfig(max_points=5000))
    assert len(thin.points_world) == 100
    assert len(full.points_world) == 36 * 52
    np.testing.assert_allclose(thin.box.center, full.box.center, atol=0.05)


def test_large_images_are_sampled_on_a_grid() -> None:
    frame = view(("mug", 2001, (200, 300, 90, 90), 2.0), size_px=(640, 480))
    instance = only(frame, PerceptionConfig())
    assert instance.num_pixels == 90 * 90
    assert instance.box.size[1] == pytest.approx(86 / camera(640, 480).fx * 2.0, abs=0.02)


def test_tiny_instances_are_left_out() -> None:
    frame = view(("mug", 2001, (20, 30, 2, 2), 2.0))
    assert Perception(PerceptionConfig(min_pixels=5)).perceive(frame).instances == ()


def test_a_mask_means_the_same_as_an_instance() -> None:
    frame = view(("mug", 2001, (20, 30, 9, 9), 2.0))
    assert frame.segmentation is not None
    masked = dataclasses.replace(
        frame, segmentation=None, detections=(Detection(label="mug", mask=frame.segmentation == 2001),)
    )
    np.testing.assert_array_equal(only(frame).points_world, only(masked).points_world)
    percept = Perception(EXACT).perceive(masked)
    assert percept.label_index is not None
    assert (percept.label_index == 0).sum() == 81


def test_a_box_finds_the_nearest_surface_in_its_middle() -> None:
    frame = view(("mug", 2001, (20, 30, 9, 9), 2.0))
    boxed = dataclasses.replace(
        frame, segmentation=None, detections=(Detection(label="mug", box_px=(28.0, 18.0, 41.0, 31.0)),)
    )
    assert only(boxed).box.size[0] < 0.01
    assert only(boxed).num_pixels == 81


def test_a_box_outside_the_image_finds_nothing() -> None:
    frame = view(segmentation=None, detections=(Detection(label="mug", box_px=(-40.0, -30.0, -5.0, -2.0)),))
    assert Perception(EXACT).perceive(frame).instances == ()


def test_overlapping_masks_give_their_pixels_to_the_higher_score() -> None:
    mask = np.zeros((48, 64), dtype=bool)
    mask[10:20, 10:20] = True
    frame = view(
        segmentation=None,
        detections=(
            Detection(label="cat", score=0.9, mask=mask),
            Detection(label="dog", score=0.5, mask=mask),
        ),
    )
    assert [i.label for i in Perception(EXACT).perceive(frame).instances] == ["cat"]


def test_weak_detections_are_ignored() -> None:
    frame = view(
        ("mug", 2001, (20, 30, 9, 9), 2.0), detections=(Detection(label="mug", instance=2001, score=0.1),)
    )
    assert Perception(EXACT).perceive(frame).instances == ()


def test_the_detectors_embedding_is_the_appearance_at_unit_length() -> None:
    vector = np.array([3.0, 4.0], dtype=np.float32)
    frame = view(
        ("mug", 2001, (20, 30, 9, 9), 2.0),
        detections=(Detection(label="mug", instance=2001, embedding=vector),),
    )
    np.testing.assert_allclose(only(frame).appearance, [0.6, 0.8], rtol=1e-6)


def test_without_colour_all_things_look_alike_and_have_no_colour() -> None:
    frame = view(("mug", 2001, (5, 5, 9, 9), 2.0), ("bowl", 3001, (25, 30, 9, 9), 1.5), rgb=None)
    one, other = Perception(EXACT).perceive(frame).instances
    assert float(one.appearance @ other.appearance) == pytest.approx(1.0, abs=1e-5)
    assert np.isnan(one.color_rgb).all()


def test_the_colour_is_that_of_most_pixels() -> None:
    rgb = np.zeros((48, 64, 3), dtype=np.uint8)
    rgb[20:29, 30:39] = (200, 30, 20)
    rgb[20:22, 30:39] = (250, 250, 250)
    assert only(view(("mug", 2001, (20, 30, 9, 9), 2.0), rgb=rgb)).color_rgb == (200.0, 30.0, 20.0)


def test_a_distorted_camera_is_refused_with_the_remedy() -> None:
    distorted = dataclasses.replace(camera(), distortion=(0.1, 0.0, 0.0, 0.0))
    with pytest.raises(InvalidMessage, match=r"rectify"):
        Perception().perceive(view(camera=distorted))


def test_a_view_with_no_depth_at_all_has_no_instances() -> None:
    frame = view(("mug", 2001, (20, 30, 9, 9), 2.0), depth_m=np.zeros((48, 64), dtype=np.float32))
    assert Perception().perceive(frame).instances == ()


def test_a_floor_seen_at_a_shallow_angle_is_one_surface() -> None:
    cam = camera()
    T = look_at(np.array([0.0, 0.0, 1.2]), np.array([3.0, 0.0, 0.6]))
    rows, columns = np.mgrid[0:48, 0:64].astype(np.float64)
    rays = (
        np.stack([(columns - cam.cx) / cam.fx, (rows - cam.cy) / cam.fy, np.ones_like(rows)], axis=-1)
        @ T[:3, :3].T
    )
    with np.errstate(divide="ignore"):
        depth = np.where(rays[..., 2] < 0, -1.2 / rays[..., 2], 0.0)
    depth = np.where(depth < 5, depth, 0).astype(np.float32)
    ids = np.where(depth > 0, 2001, 0).astype(np.int32)
    frame = view(
        T_world_camera=T, depth_m=depth, segmentation=ids, detections=(Detection(label="mat", instance=2001),)
    )
    instance = only(frame, PerceptionConfig(max_points=5000))
    assert len(instance.points_world) == (depth > 0).sum()
    np.testing.assert_allclose(instance.points_world[:, 2], 0.0, atol=1e-4)


@pytest.mark.parametrize("values", [{"max_points": 0}, {"min_depth_m": 3.0, "max_depth_m": 2.0}])
def test_impossible_settings_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        PerceptionConfig(**values)  # type: ignore[arg-type]
