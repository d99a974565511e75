"""Frames of scenes whose geometry is known exactly."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embodied_mem.geometry import Box, look_at
from embodied_mem.messages import Frame
from embodied_mem.testing.synthetic_room import ROOM, SyntheticRoom

ROOM_VIEWS = 48
MARGIN_M = 0.2


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Frames with exact depth and clean segmentation, and the box that holds them."""

    name: str
    frames: tuple[Frame, ...]
    box: Box


def room_scene(seed: int, num_views: int = ROOM_VIEWS) -> Scene:
    """The synthetic room of boxes, seen from its middle outwards and from its walls inwards."""
    room = SyntheticRoom(seed, width_px=320, height_px=240)
    frames = list(room.frames(num_views // 2))
    for angle in np.linspace(0.0, 2 * np.pi, num_views // 2, endpoint=False):
        eye = np.array([1.1 + 0.3 * np.cos(angle), 2.6 + 0.3 * np.sin(angle), 1.5])
        room.clock.advance(0.5)
        target = eye + np.array([np.cos(angle), np.sin(angle), -0.25 + 0.3 * np.sin(3 * angle)])
        frames.append(room.look(look_at(eye, target)))
    return Scene(name=f"room{seed}", frames=tuple(frames), box=ROOM.grown(MARGIN_M))


def home_scene(seed: int, num_frames: int) -> Scene:
    """What a robot sees that explores a generated MuJoCo home, evenly thinned to `num_frames`."""
    frames = list(_tour(seed))
    chosen = [frames[i] for i in np.linspace(0, len(frames) - 1, num_frames).astype(int)]
    corners = np.array([frame.T_world_camera[:3, 3] for frame in chosen])
    low, high = corners.min(axis=0) - 3.0, corners.max(axis=0) + 3.0
    box = Box(min_m=(float(low[0]), float(low[1]), -MARGIN_M), max_m=(float(high[0]), float(high[1]), 2.8))
    return Scene(name=f"home{seed}", frames=tuple(chosen), box=box)


def _tour(seed: int) -> Iterator[Frame]:
    import gymnasium

    import embodied_mem.envs  # noqa: F401 (registers the environments)
    from embodied_mem.envs import HOUSEHOLD_ID
    from embodied_mem.envs.frames import to_frame
    from embodied_mem.envs.mujoco.tour import TourPolicy

    with tempfile.TemporaryDirectory(prefix="embodied-mem-") as folder:
        env = gymnasium.make(
            HOUSEHOLD_ID, disable_env_checker=True, log_path=Path(folder) / "simulator.jsonl"
        )
        try:
            observation, info = env.reset(seed=seed)
            home = env.unwrapped
            policy = TourPolicy(
                home.plan, may_return=lambda: False, control_hz=home.config.control_hz, explores_only=True
            )
            while not policy.done:
                yield to_frame(observation, info, home.category_names)
                observation, _, terminated, truncated, info = env.step(policy.act(observation, info))
                if terminated or truncated:
                    break
        finally:
            env.close()
