"""Depth without a depth camera: what an estimator gives from colour alone becomes a frame like any other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from embodied_mem.messages import Detection, Frame, PinholeCamera


@dataclass(frozen=True, kw_only=True)
class EstimatedDepth:
    """Planar depth in metres (0 where the estimator does not know) and the standard deviation of each."""

    depth_m: Float32[np.ndarray, "h w"]
    sigma_m: Float32[np.ndarray, "h w"]


class DepthEstimator(Protocol):
    """A model of metric depth: one method. Those with weights of their own stay outside the package."""

    def estimate(self, rgb: UInt8[np.ndarray, "h w 3"], camera: PinholeCamera) -> EstimatedDepth:
        """Depth of one image, with its uncertainty."""
        ...


def estimated_frame(
    estimator: DepthEstimator,
    *,
    stamp_ns: int,
    camera: PinholeCamera,
    T_world_camera: Float64[np.ndarray, "4 4"],
    rgb: UInt8[np.ndarray, "h w 3"],
    detections: tuple[Detection, ...] = (),
    robot: str = "robot",
    sensor: str = "camera",
) -> Frame:
    """A frame of a robot that has only a colour camera. The map weighs each pixel by its sigma, fuses none that may lie
    more than a cell away, and takes space as free only three sigmas before the depth.

    Raises:
        InvalidMessage: the estimator gave arrays of another size, NaN or negative values.
    """
    estimated = estimator.estimate(rgb, camera)
    return Frame(
        stamp_ns=stamp_ns,
        camera=camera,
        T_world_camera=T_world_camera,
        depth_m=estimated.depth_m,
        depth_sigma_m=estimated.sigma_m,
        rgb=rgb,
        detections=detections,
        robot=robot,
        sensor=sensor,
    )
