"""Images, camera info and poses that belong together, as one `Frame`.."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float64

from embodied_mem.errors import EmbodiedMemError, InvalidMessage
from embodied_mem.messages import Detection, Frame, PinholeCamera
from embodied_mem.perception.rectification import rectify, register_depth
from embodied_mem.sensing.cameras import camera_from_info
from embodied_mem.sensing.images import (
    depth_from_compressed,
    depth_from_image,
    ids_from_image,
    rgb_from_compressed,
    rgb_from_image,
)
from embodied_mem.sensing.input_config import InputConfig

Pose = Float64[np.ndarray, "4 4"]
REGISTER_REMEDY = (
    "Subscribe to depth that is aligned to colour (aligned_depth_to_color, depth_registered); or remap "
    "depth_camera_info to the depth camera's info and give the transform between both by /tf or "
    "input.static_transforms; or set input.depth_is_registered if the pixels do coincide."
)


class StageFailed(Exception):
    """Which part of a frame could not be used, and why (`error`); for the drop log, never shown by itself."""

    def __init__(self, stage: str, error: EmbodiedMemError) -> None:
        super().__init__(str(error))
        self.stage = stage
        self.error = error


@dataclass(frozen=True, kw_only=True)
class RgbdSet:
    """The messages of one frame, the newest camera infos when it came, and where the camera was.

    `T_color_depth` is given when depth is not registered to colour, so that it must be done here.
    """

    stamp_ns: int
    received_ns: int
    images: Mapping[str, Any]
    camera_info: Any
    depth_camera_info: Any | None
    T_world_camera: Pose
    T_color_depth: Pose | None


def needs_registration(config: InputConfig, images: Mapping[str, Any]) -> bool:
    """Whether colour and depth come from cameras in different places."""
    if "rgb" not in images or config.depth_is_registered:
        return False
    color_frame, depth_frame = (images[name].header.frame_id for name in ("rgb", "depth"))
    return bool(color_frame and depth_frame and color_frame != depth_frame)


def build_frame(rgbd: RgbdSet, config: InputConfig) -> Frame:
    """The frame of a set: decoded, rectified, registered, in metres.

    Raises:
        StageFailed: with the part of the frame that cannot be used, and the error that says why.
    """
    depth_m = _stage("depth image", _decode_depth, rgbd.images["depth"], config)
    rgb = _stage("colour image", _decode_rgb, rgbd.images.get("rgb"), config)
    camera = _stage("camera info", _camera, rgbd.camera_info, config)
    if rgbd.T_color_depth is not None:
        depth_m = _stage("depth registration", _register, depth_m, camera, rgbd, config)
    ids, detections = _stage("segmentation", _decode_segmentation, rgbd.images.get("segmentation"))
    frame: Frame = _stage(
        "frame",
        lambda: rectify(
            Frame(
                stamp_ns=rgbd.stamp_ns,
                received_ns=max(rgbd.received_ns, rgbd.stamp_ns),
                camera=camera,
                T_world_camera=rgbd.T_world_camera,
                depth_m=depth_m,
                rgb=rgb,
                segmentation=ids,
                detections=detections,
                robot=config.robot,
                sensor=config.sensor,
            )
        ),
    )
    return frame


def _stage(name: str, step: Any, *arguments: Any) -> Any:
    try:
        return step(*arguments)
    except EmbodiedMemError as error:
        raise StageFailed(name, error) from error


def _decode_depth(message: Any, config: InputConfig) -> np.ndarray[Any, Any]:
    decode = depth_from_image if config.depth_transport == "raw" else depth_from_compressed
    return decode(message, unit_m=config.depth_unit_m)


def _decode_rgb(message: Any | None, config: InputConfig) -> np.ndarray[Any, Any] | None:
    if message is None:
        return None
    return rgb_from_image(message) if config.rgb_transport == "raw" else rgb_from_compressed(message)


def _camera(info: Any, config: InputConfig) -> PinholeCamera:
    return camera_from_info(info, is_rectified=config.images_are_rectified)


def _register(
    depth_m: np.ndarray[Any, Any], camera: PinholeCamera, rgbd: RgbdSet, config: InputConfig
) -> Any:
    """Depth as the colour camera saw it, with the colour camera's own distortion still to be removed from colour.

    The result is in the ideal pinhole's pixels, so colour must be rectified alone: a distorted colour camera with
    depth of another camera is refused.
    """
    if rgbd.depth_camera_info is None:
        raise InvalidMessage(
            f"depth is not registered to colour and no depth camera info has come. {REGISTER_REMEDY}"
        )
    if camera.is_distorted:
        raise InvalidMessage(
            "depth is not registered to colour, and colour is distorted. Rectify colour (image_proc), remap to "
            "image_rect and set input.images_are_rectified."
        )
    depth_camera = camera_from_info(rgbd.depth_camera_info, is_rectified=config.images_are_rectified)
    if depth_camera.is_distorted:
        frame = Frame(stamp_ns=0, camera=depth_camera, T_world_camera=np.eye(4), depth_m=depth_m)
        depth_m, depth_camera = rectify(frame).depth_m, replace(depth_camera, distortion=())
    assert rgbd.T_color_depth is not None
    return register_depth(depth_m, depth_camera, camera, rgbd.T_color_depth)


def _decode_segmentation(message: Any | None) -> tuple[np.ndarray[Any, Any] | None, tuple[Detection, ...]]:
    if message is None:
        return None, ()
    ids = ids_from_image(message.ids)
    counts = {len(message.instances), len(message.labels), len(message.scores)}
    if len(counts) != 1:
        raise InvalidMessage(
            f"the segmentation has {len(message.instances)} instances, {len(message.labels)} labels and "
            f"{len(message.scores)} scores; each instance must have one of both. Fill all three lists."
        )
    detections = tuple(
        Detection(label=label, score=float(score), instance=int(instance))
        for instance, label, score in zip(message.instances, message.labels, message.scores, strict=True)
    )
    return ids, detections
