import dataclasses

import cv2
import numpy as np
import pytest

from embodied_mem.errors import InvalidMessage
from embodied_mem.messages import Detection, PinholeCamera
from embodied_mem.perception import Perception, PerceptionConfig
from embodied_mem.perception.rectification import rectify, register_depth

from .scenes import camera, view

LENS = (-0.28, 0.07, 0.001, -0.0005, 0.0)


def test_a_rectified_point_lies_where_an_ideal_camera_sees_it() -> None:
    cam = dataclasses.replace(camera(320, 240), distortion=LENS)
    point = np.array([[0.6, -0.3, 2.0]])
    (u, v) = cv2.projectPoints(point, np.zeros(3), np.zeros(3), cam.matrix, np.array(LENS))[0][0, 0]
    depth, ids = np.zeros((240, 320), dtype=np.float32), np.zeros((240, 320), dtype=np.int32)
    patch = np.s_[round(v) - 2 : round(v) + 3, round(u) - 2 : round(u) + 3]
    depth[patch], ids[patch] = 2.0, 2001
    frame = view(
        camera=cam,
        depth_m=depth,
        segmentation=ids,
        rgb=None,
        detections=(Detection(label="dot", instance=2001),),
    )
    flat = rectify(frame)
    assert flat.camera.distortion == ()
    (dot,) = Perception(PerceptionConfig(min_pixels=1)).perceive(flat).instances
    in_camera = np.linalg.inv(frame.T_world_camera) @ np.append(dot.box.center, 1.0)
    np.testing.assert_allclose(in_camera[:3], point[0], atol=0.012)  # a pixel is 7 mm wide there


def test_depth_and_ids_are_never_interpolated() -> None:
    cam = dataclasses.replace(camera(), distortion=LENS)
    frame = view(("mug", 2001, (20, 30, 9, 9), 2.0), camera=cam)
    flat = rectify(frame)
    assert flat.segmentation is not None
    assert set(np.unique(flat.depth_m)) <= {np.float32(0), np.float32(2), np.float32(4)}
    assert set(np.unique(flat.segmentation)) <= {0, 1000, 2001}


def test_masks_and_boxes_move_with_the_image() -> None:
    cam = dataclasses.replace(camera(320, 240), distortion=LENS)
    mask = np.zeros((240, 320), dtype=bool)
    mask[20:60, 30:80] = True
    frame = view(
        camera=cam, depth_m=np.ones((240, 320), dtype=np.float32), rgb=None, segmentation=None,
        detections=(Detection(label="a", mask=mask), Detection(label="b", box_px=(30, 20, 79, 59))),
    )  # fmt: skip
    masked, boxed = rectify(frame).detections
    assert masked.mask is not None
    assert boxed.box_px is not None
    rows, columns = np.nonzero(masked.mask)
    seen = (columns.min(), rows.min(), columns.max(), rows.max())
    np.testing.assert_allclose(seen, np.clip(boxed.box_px, 0, 319), atol=2.0)


def test_a_frame_without_distortion_comes_back_as_it_is() -> None:
    frame = view()
    assert rectify(frame) is frame


def test_unknown_distortion_models_are_refused() -> None:
    with pytest.raises(InvalidMessage, match="fisheye"):
        rectify(view(camera=dataclasses.replace(camera(), distortion=(0.1, 0.2, 0.3))))


def test_registering_to_the_same_camera_changes_nothing() -> None:
    depth = view(("mug", 2001, (20, 30, 9, 9), 2.0)).depth_m
    np.testing.assert_array_equal(register_depth(depth, camera(), camera(), np.eye(4)), depth)


def test_a_wall_seen_from_beside_shifts_by_focal_length_over_depth() -> None:
    cam = camera()
    depth = np.zeros((48, 64), dtype=np.float32)
    depth[20, 30] = 2.0
    T = np.eye(4)
    T[0, 3] = 5 * 2.0 / cam.fx  # five pixels at two metres
    registered = register_depth(depth, cam, cam, T)
    assert np.argwhere(registered).tolist() == [[20, 35]]


def test_the_nearer_surface_wins() -> None:
    fine = camera()
    coarse = PinholeCamera(fx=fine.fx / 4, fy=fine.fy / 4, cx=7.5, cy=5.5, width_px=16, height_px=12)
    depth = np.full((48, 64), 4.0, dtype=np.float32)
    depth[::2, ::2] = 1.0
    assert (register_depth(depth, fine, coarse, np.eye(4)) == 1.0).all()


def test_coarse_depth_leaves_no_sieve_in_a_fine_image() -> None:
    fine = camera()
    coarse = PinholeCamera(
        fx=fine.fx / 4,
        fy=fine.fy / 4,
        cx=fine.cx / 4 - 0.375,
        cy=fine.cy / 4 - 0.375,
        width_px=16,
        height_px=12,
    )
    registered = register_depth(np.full((12, 16), 3.0, dtype=np.float32), coarse, fine, np.eye(4))
    assert (registered == 3.0).mean() > 0.95


def test_distorted_cameras_and_other_sizes_are_refused() -> None:
    with pytest.raises(InvalidMessage, match="Rectify first"):
        register_depth(
            np.ones((48, 64), dtype=np.float32),
            dataclasses.replace(camera(), distortion=LENS),
            camera(),
            np.eye(4),
        )
    with pytest.raises(InvalidMessage, match="its camera is"):
        register_depth(np.ones((4, 4), dtype=np.float32), camera(), camera(), np.eye(4))
