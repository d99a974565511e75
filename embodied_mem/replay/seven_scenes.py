"""Folders in the layout of 7-Scenes: `frame-NNNNNN.{color.jpg|color.png, depth.png, pose.txt}`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from embodied_mem.errors import EmbodiedMemError, InvalidMessage, UnsupportedEncoding
from embodied_mem.messages import Frame, PinholeCamera
from embodied_mem.replay.gravity import upright_world
from embodied_mem.replay.image_files import nearest_rotation, read_depth_m, read_numbers, read_rgb
from embodied_mem.replay.recording import OnSkip, Recording, Skipped, refuse

PERIOD_NS = 33_333_333
"""The layout has no stamps; a Kinect gives 30 frames a second."""

KINECT = np.array([[585.0, 0.0, 320.0], [0.0, 585.0, 240.0], [0.0, 0.0, 1.0]])
"""The data set's own intrinsics, for folders without camera-intrinsics.txt."""

NUM_PROBES = 12
"""Frames that are looked at to find which way is up."""


class SevenScenesFolder(Recording):
    """A 7-Scenes sequence. Its world is wherever tracking began; unless `is_upright` says that z points up
    already, it is turned so that it does.

    Raises:
        UnsupportedEncoding: no frames of that layout in the folder.
    """

    def __init__(self, path: str | Path, *, is_upright: bool = False) -> None:
        self.path = Path(path)
        self._names = sorted(p.name.removesuffix(".depth.png") for p in self.path.glob("frame-*.depth.png"))
        if not self._names:
            raise UnsupportedEncoding(
                f"{self.path} has no frame-*.depth.png; a 7-Scenes sequence has frame-000000.depth.png, "
                "frame-000000.color.png (or .jpg) and frame-000000.pose.txt. Name the folder that holds them (seq-01)."
            )
        intrinsics = self.path / "camera-intrinsics.txt"
        self._K = read_numbers(intrinsics, (3, 3)) if intrinsics.exists() else KINECT
        self._T_upright_world: Float64[np.ndarray, "4 4"] | None = np.eye(4) if is_upright else None

    @property
    def description(self) -> str:
        return f"{self.path}: 7-Scenes layout, {len(self)} frames, focal length {self._K[0, 0]:.0f} px"

    def __len__(self) -> int:
        return len(self._names)

    def frames(self, on_skip: OnSkip = refuse) -> Iterator[Frame]:
        T_upright_world = self.T_upright_world
        for index in range(len(self)):
            try:
                frame = self._read(index, T_upright_world)
            except EmbodiedMemError as error:
                on_skip(Skipped(source=self._names[index], error=error))
            else:
                yield frame

    @property
    def T_upright_world(self) -> Float64[np.ndarray, "4 4"]:
        """How the recording's world is turned to be z-up; found at the first use."""
        if self._T_upright_world is None:
            probes = []
            for index in np.linspace(0, len(self) - 1, min(NUM_PROBES, len(self))).astype(int).tolist():
                try:
                    probes.append(self._read(index, np.eye(4)))
                except EmbodiedMemError:  # the frame is reported when its turn comes
                    continue
            if not probes:
                raise InvalidMessage(
                    f"none of {min(NUM_PROBES, len(self))} frames in {self.path} that were tried can be read; "
                    f"the first is {self._names[0]}. Copy the recording again."
                )
            self._T_upright_world = upright_world(probes)
        return self._T_upright_world

    def _read(self, index: int, T_upright_world: Float64[np.ndarray, "4 4"]) -> Frame:
        stem = self.path / self._names[index]
        depth_m = read_depth_m(stem.with_name(f"{stem.name}.depth.png"), counts_per_m=1000.0)
        pose = stem.with_name(f"{stem.name}.pose.txt")
        T_world_camera = nearest_rotation(read_numbers(pose, (4, 4)), str(pose))
        color = next(
            (p for kind in ("jpg", "png") if (p := stem.with_name(f"{stem.name}.color.{kind}")).exists()),
            None,
        )
        height_px, width_px = depth_m.shape
        return Frame(
            stamp_ns=(index + 1) * PERIOD_NS,  # not 0, which in ROS means "no stamp"
            camera=PinholeCamera.from_matrix(self._K, width_px=width_px, height_px=height_px),
            T_world_camera=T_upright_world @ T_world_camera,
            depth_m=depth_m,
            rgb=None if color is None else read_rgb(color),
            sensor="kinect",
        )
