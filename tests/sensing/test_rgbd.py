"""Messages that belong together, as one frame."""

from types import SimpleNamespace

import numpy as np
import pytest

from embodied_mem.errors import InvalidMessage
from embodied_mem.messages import PinholeCamera
from embodied_mem.sensing.cameras import camera_from_info, fill_camera_info
from embodied_mem.sensing.images import fill_image
from embodied_mem.sensing.input_config import InputConfig
from embodied_mem.sensing.rgbd import RgbdSet, StageFailed, build_frame, needs_registration

CAMERA = PinholeCamera(fx=50.0, fy=50.0, cx=31.5, cy=23.5, width_px=64, height_px=48)
DEPTH = np.full((48, 64), 2.0, np.float32)
RGB = np.zeros((48, 64, 3), np.uint8)


def info(camera=CAMERA, **fields):
    roi = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0)
    message = SimpleNamespace(binning_x=0, binning_y=0, roi=roi, header=SimpleNamespace(frame_id="color"))
    fill_camera_info(message, camera)
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def picture(pixels, encoding, frame_id="color"):
    return fill_image(SimpleNamespace(header=SimpleNamespace(frame_id=frame_id)), pixels, encoding)


def rgbd(**fields):
    images = {"depth": picture(DEPTH, "32FC1"), "rgb": picture(RGB, "rgb8"), **fields.pop("images", {})}
    defaults = {
        "stamp_ns": 5, "received_ns": 9, "images": images, "camera_info": info(), "depth_camera_info": None,
        "T_world_camera": np.eye(4), "T_color_depth": None,
    }  # fmt: skip
    return RgbdSet(**{**defaults, **fields})


def refused(config=InputConfig(), **fields):
    with pytest.raises(StageFailed) as failure:
        build_frame(rgbd(**fields), config)
    assert isinstance(failure.value.error, InvalidMessage)
    return failure.value.stage, str(failure.value.error)


def test_a_whole_set_becomes_a_frame():
    frame = build_frame(rgbd(), InputConfig(robot="r2", sensor="head"))
    assert (frame.stamp_ns, frame.received_ns, frame.robot, frame.sensor) == (5, 9, "r2", "head")
    assert frame.camera == CAMERA
    np.testing.assert_array_equal(frame.depth_m, DEPTH)


def test_a_frame_is_never_received_before_it_was_seen():
    assert build_frame(rgbd(received_ns=1), InputConfig()).received_ns == 5


def test_an_uncalibrated_camera_is_refused():
    assert "uncalibrated" in refused(camera_info=info(k=[0.0] * 9))[1]


def test_a_camera_info_of_another_size_is_refused():
    small = PinholeCamera(fx=50.0, fy=50.0, cx=15.0, cy=12.0, width_px=32, height_px=24)
    assert "32 x 24" in refused(camera_info=info(small))[1]


def test_a_distorted_camera_is_rectified():
    bent = info(d=[-0.3, 0.1, 0.0, 0.0, 0.0])
    frame = build_frame(rgbd(camera_info=bent), InputConfig())
    assert not frame.camera.is_distorted
    assert build_frame(rgbd(camera_info=bent), InputConfig(images_are_rectified=True)).camera == CAMERA


def test_a_fisheye_camera_is_refused_with_the_remedy():
    bent = info(d=[0.1, 0.1, 0.0, 0.0], distortion_model="equidistant")
    assert "image_proc" in refused(camera_info=bent)[1]


def test_binning_and_region_of_interest_keep_rays_where_they_are():
    binned = camera_from_info(info(binning_x=2, binning_y=2), is_rectified=False)
    assert (binned.width_px, binned.height_px, binned.fx) == (32, 24, 25.0)
    assert binned.cx == pytest.approx((32 - 1) / 2)
    roi = SimpleNamespace(x_offset=10, y_offset=4, width=20, height=30)
    cut = camera_from_info(info(roi=roi), is_rectified=False)
    assert (cut.width_px, cut.cx, cut.cy) == (20, 21.5, 19.5)


def test_depth_of_another_camera_is_registered_when_the_transform_is_known():
    T = np.eye(4)
    T[0, 3] = 0.08  # the depth camera is 8 cm right of colour: 2 pixels at 2 m
    images = {"depth": picture(DEPTH, "32FC1", frame_id="depth")}
    assert needs_registration(InputConfig(), rgbd(images=images).images)
    frame = build_frame(rgbd(images=images, T_color_depth=T, depth_camera_info=info()), InputConfig())
    assert (frame.depth_m[:, 2:] == 2.0).all()
    assert (frame.depth_m[:, :2] == 0.0).all()


def test_depth_of_another_camera_without_its_info_is_refused_with_the_remedy():
    images = {"depth": picture(DEPTH, "32FC1", frame_id="depth")}
    stage, text = refused(images=images, T_color_depth=np.eye(4))
    assert stage == "depth registration"
    assert "aligned_depth_to_color" in text
    assert not needs_registration(InputConfig(depth_is_registered=True), rgbd(images=images).images)


def test_segmentation_lists_of_unequal_length_are_refused():
    ids = picture(np.ones((48, 64), np.int32), "32SC1")
    message = SimpleNamespace(ids=ids, instances=[1], labels=["mug"], scores=[])
    assert "0 scores" in refused(images={"segmentation": message})[1]
    message.scores = [0.5]
    frame = build_frame(rgbd(images={"segmentation": message}), InputConfig())
    assert frame.detections[0].label == "mug"
