"""What the benchmark asks of a map, and our layer behind those questions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float, Float32, Int, Int8

from embodied_mem.geometry import back_project, transform
from embodied_mem.layers.occupancy import OccupancyConfig, OccupancyLayer
from embodied_mem.messages import Frame, Percept


class ScoredMap(Protocol):
    """A map under test: it takes frames, and answers in the states UNKNOWN, FREE and OCCUPIED of our layer."""

    name: str

    def integrate(self, frame: Frame) -> None: ...

    def states(self, points_world: Float[np.ndarray, "n 3"]) -> Int8[np.ndarray, "n"]:
        """The state of each point."""
        ...

    def depths_m(
        self, frame: Frame, u_px: Int[np.ndarray, "n"], v_px: Int[np.ndarray, "n"]
    ) -> Float32[np.ndarray, "n"]:
        """The planar depth that the map expects at each pixel of the frame; infinity where it expects nothing."""
        ...

    @property
    def num_bytes(self) -> int: ...


def pixel_rays(
    frame: Frame, u_px: Int[np.ndarray, "n"], v_px: Int[np.ndarray, "n"]
) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "n 3"]]:
    """The camera's position, and for each pixel the direction that advances planar depth by 1 m."""
    ones = np.ones(len(u_px), dtype=np.float32)
    points_camera = back_project(frame.camera, ones, u_px.astype(np.float64), v_px.astype(np.float64))
    origin = frame.T_world_camera[:3, 3]
    return origin, transform(frame.T_world_camera, points_camera.astype(np.float64)) - origin


@dataclass
class LayerMap:
    """Our occupancy layer."""

    layer: OccupancyLayer
    name: str = "ours"

    @classmethod
    def new(cls, config: OccupancyConfig, name: str = "ours") -> LayerMap:
        return cls(OccupancyLayer(config), name)

    def integrate(self, frame: Frame) -> None:
        self.layer.update(Percept(frame=frame, instances=()))

    def states(self, points_world: np.ndarray) -> np.ndarray:
        return self.layer.state_at(points_world.astype(np.float32))

    def depths_m(self, frame: Frame, u_px: np.ndarray, v_px: np.ndarray) -> np.ndarray:
        origin, directions = pixel_rays(frame, u_px, v_px)
        cast_m, _ = self.layer.cast_rays(np.tile(origin, (len(u_px), 1)), directions, 10.0)
        return np.asarray(cast_m / np.linalg.norm(directions, axis=1), dtype=np.float32)

    @property
    def num_bytes(self) -> int:
        return self.layer.num_bytes
