"""Memory Maze (PyPI `memory-maze`, on dm_control) as a Gymnasium env whose observations have what a Frame needs.

Its own observation is an image alone. Depth, ids of the coloured balls and the camera's pose are taken from the same physics, so
that a memory of places can be scored by its object recall; the maze, its physics and its six actions are untouched.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from jaxtyping import Float64, Int32

from embodied_mem.errors import ConfigError, MissingExtra, did_you_mean

from .sources import ObservationLayout

SIZES = ("9x9", "11x11", "13x13", "15x15")
COLOURS = ("red", "green", "blue", "purple", "yellow", "salmon")
"""Of the balls, in the maze's own order; a maze has the first three to six."""
CELL_M, STEP_NS = 2.0, 250_000_000
CAMERA = "walker/egocentric"
FARTHEST_M = 60.0
GEOM = 5
NOOP, FORWARD, LEFT, RIGHT = range(4)
Observation = dict[str, Any]


class MemoryMazeEnv(gymnasium.Env[Observation, int]):
    """A maze of a size and a seed. Actions: 0 nothing, 1 forward, 2 left, 3 right, 4 forward and left, 5 forward and right.

    Observation: `rgb`, `depth` (m, 0 for the sky), `ids` (1 to n for the balls in order of `COLOURS`), `pose` (camera to world,
    OpenGL's axes), `intrinsics`, and `targets_vec`, the truth: from the agent to each ball, in cells, as the maze gives it.

    Raises:
        MissingExtra: memory-maze is not installed.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012 (gymnasium's own convention)

    def __init__(self, size: str = "9x9", *, image_px: int = 64, render_mode: str | None = None) -> None:
        if size not in SIZES:
            raise ConfigError(f"no maze of size {size!r}; there are {SIZES}.{did_you_mean(size, SIZES)}")
        try:
            from memory_maze import tasks
        except ImportError as error:
            raise MissingExtra(
                "Memory Maze needs memory-maze with a dm_control for its MuJoCo; see docs/tasks.md#other-peoples-environments"
            ) from error
        self.render_mode, self._px = render_mode, image_px
        self._make = getattr(tasks, f"memory_maze_{size}")
        self._maze: Any = None
        num_balls = SIZES.index(size) + 3
        self.colours = COLOURS[:num_balls]
        image = (image_px, image_px)
        everything = {"low": -np.inf, "high": np.inf, "dtype": np.float64}
        self.action_space = spaces.Discrete(6)
        self.observation_space = spaces.Dict({
            "rgb": spaces.Box(0, 255, (*image, 3), np.uint8), "depth": spaces.Box(0.0, FARTHEST_M, image, np.float32),
            "ids": spaces.Box(0, num_balls, image, np.int32), "pose": spaces.Box(shape=(4, 4), **everything),
            "intrinsics": spaces.Box(shape=(3, 3), **everything),
            "targets_vec": spaces.Box(shape=(num_balls, 2), **everything),
        })  # fmt: skip

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """A new maze, a function of the seed."""
        super().reset(seed=seed)
        self.close()
        self._maze = self._make(
            seed=int(self.np_random.integers(2**31)), global_observables=True, target_color_in_image=False,
            camera_resolution=self._px,
        )  # fmt: skip
        return self._seen(self._maze.reset()), {}

    def step(self, action: int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """A quarter of a second. Reward 1.0 for reaching the ball that is asked for; a maze ends with its time."""
        moment = self._maze.step(int(action))
        return self._seen(moment), float(moment.reward or 0.0), False, bool(moment.last()), {}

    def render(self) -> Any:
        """What the agent sees."""
        return self._picture() if self.render_mode == "rgb_array" and self._maze is not None else None

    def close(self) -> None:
        if self._maze is not None:
            self._maze.close()
            self._maze = None

    def from_agent(self, position_world_m: tuple[float, float, float]) -> Float64[np.ndarray, "2"]:
        """The vector from the agent to a place in cells, in the agent's own axes, as `targets_vec` has it."""
        body = self._maze.physics.bind(self._maze.task._walker.root_body)
        away = np.asarray(position_world_m) - np.asarray(body.xpos)
        vector: Float64[np.ndarray, "2"] = (np.asarray(body.xmat).reshape(3, 3).T @ away)[:2] / CELL_M
        return vector

    def layout(self) -> ObservationLayout:
        """How `FrameSource` reads the observations. A detector would tell the balls apart by their colour; so do the labels."""
        labels = {number: f"{colour} ball" for number, colour in enumerate(self.colours, start=1)}
        return ObservationLayout(
            rgb="rgb", depth="depth", pose="pose", intrinsics="intrinsics", camera_axes="opengl", ids="ids", label_of=labels
        )  # fmt: skip

    def _picture(self, **what: bool) -> Any:
        return self._maze.physics.render(self._px, self._px, camera_id=CAMERA, **what)

    def _seen(self, moment: Any) -> Observation:
        physics = self._maze.physics
        depth = np.asarray(self._picture(depth=True), dtype=np.float32)
        camera = physics.model.name2id(CAMERA, "camera")
        pose = np.eye(4)
        pose[:3, :3] = physics.data.cam_xmat[camera].reshape(3, 3)
        pose[:3, 3] = physics.data.cam_xpos[camera]
        focal = self._px / 2 / np.tan(np.radians(physics.model.cam_fovy[camera]) / 2)
        middle = (self._px - 1) / 2
        return {
            "rgb": np.array(moment.observation["image"]), "depth": np.where(depth < FARTHEST_M, depth, np.float32(0.0)),
            "ids": self._ids(), "pose": pose,
            "intrinsics": np.array([[focal, 0.0, middle], [0.0, focal, middle], [0.0, 0.0, 1.0]]),
            "targets_vec": np.array(moment.observation["targets_vec"], dtype=np.float64),
        }  # fmt: skip

    def _ids(self) -> Int32[np.ndarray, "h w"]:
        shown = np.asarray(self._picture(segmentation=True))
        ids = np.zeros(shown.shape[:2], dtype=np.int32)
        balls = self._maze.task._targets[: len(self.colours)]
        for number, ball in enumerate(balls, start=1):
            geom = int(self._maze.physics.bind(ball.geom).element_id)
            ids[(shown[..., 0] == geom) & (shown[..., 1] == GEOM)] = number
        return ids
