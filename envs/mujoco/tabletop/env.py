"""`EmbodiedMem/<Task>-v0` on the table: a cue, a gate that shuts it away, a choice, and the first commit ends it.

Action: four numbers in [-1, 1]. Control "key_pose": where the gripper goes (x, y, z over its reach) and whether it is
closed there (above 0). Control "velocity": the same as a motion of up to 4 cm along each axis.
"""

from __future__ import annotations

import string
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from jaxtyping import Float32, UInt8

from embodied_mem.errors import ConfigError

from ..task_options import image_spaces
from .cameras import TableCameras
from .catalog import make_task
from .config import TabletopConfig, make_config
from .episode import Episode, Streams, draw_hidden
from .interference import gate_props
from .props import CATEGORIES, ID_DIVISOR
from .robots import make_robot
from .task import Hidden
from .world import HIGH_M, LOW_M, Deed, TableWorld

Observation = dict[str, Any]
FAR_DEPTH_M = 45.0
EVENT_KINDS = {"press": "press", "pick": "pick", "place": "place", "pull": "open"}


class TabletopEnv(gymnasium.Env[Observation, np.ndarray]):
    """One memory task. Options are those of `TabletopConfig`, as keywords.

    `reset(options={"hidden": k})` sets the hidden variable (for proofs and tests) and leaves all else as the seed has it;
    continuous tasks take a pair in [0, 1).
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012 (gymnasium's own convention)

    def __init__(self, task: str, *, render_mode: str | None = None, **options: Any) -> None:
        self.config: TabletopConfig = make_config(options)
        self.render_mode = render_mode
        self.category_names = CATEGORIES
        self.task = make_task(task)
        height, width = self.config.image_size
        props, robot = (*self.task.facts.props, *gate_props()), make_robot(self.config.robot)
        self._table = TableWorld(props, robot, height_px=height, width_px=width)
        self._cameras = TableCameras(self._table, self.config)
        self.observation_space = _observation_space(self.config)
        self.action_space = spaces.Box(-1.0, 1.0, (4,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """A new episode; the same seed gives the same one, to the byte."""
        super().reset(seed=seed)
        streams = Streams.of(int(self.np_random.integers(2**62)))
        hidden = draw_hidden(self.task, streams.hidden)
        if options and "hidden" in options:
            hidden = self._hidden_of(options["hidden"])
        self._streams = streams
        self.episode = Episode(
            task=self.task, table=self._table, config=self.config, hidden=hidden, nuisance=streams.nuisance
        )
        self._cameras.reseed(streams.cue_images)
        return self._observe(), self._info([])

    def step(self, action: Float32[np.ndarray, "4"]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """One action. Reward 1.0 for a right commit, else 0.0; the episode ends with the commit (see `strict`)."""
        phase, began_ns = self.episode.phase, self.stamp_ns
        deeds = self.episode.advance(action)
        if phase == "cue" and self.episode.phase != "cue":
            self._cameras.reseed(self._streams.choice_images)
            began_ns = self.stamp_ns - self.config.step_ns
        is_late = self.episode.is_out_of_time
        terminated = self.episode.is_over and not is_late
        is_gone = (
            phase == "cue" and self.episode.phase == "gate"
        )  # what the gate shut away tells nothing any more
        info = self._info([] if is_gone else deeds, began_ns)
        return self._observe(), float(self.episode.is_right and terminated), terminated, is_late, info

    def render(self) -> UInt8[np.ndarray, "h w 3"] | None:
        """The first camera's view."""
        return self._cameras.picture(self.config.cameras[0]) if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        self._cameras.close()

    @property
    def stamp_ns(self) -> int:
        """The simulator's clock; it says the same after the gate however long the cue took."""
        return self.config.epoch_ns + self.episode.clock * self.config.step_ns

    def _hidden_of(self, value: Any) -> Hidden:
        if self.task.facts.num_choices == 0:
            u, v = (float(x) for x in value)
            return Hidden(index=0, fraction=(u, v))
        if not 0 <= int(value) < self.task.facts.num_choices:
            raise ConfigError(
                f"hidden is {value!r}; {self.task.facts.name} takes 0 to {self.task.facts.num_choices - 1}."
            )
        return Hidden(index=int(value))

    def _observe(self) -> Observation:
        x, y, z = self._table.tip
        proprio = (x, y, z, self._table.opening_m, float(self._table.is_closed))
        return {
            **self._cameras.shoot(),
            "proprio": np.array(proprio, dtype=np.float32),
            "instruction": self.task.facts.instruction,
        }

    def _info(self, deeds: list[Deed], began_ns: int = 0) -> dict[str, Any]:
        info: dict[str, Any] = {
            "stamp_ns": self.stamp_ns,
            "events": [self._event(deed, began_ns) for deed in deeds if deed.kind in EVENT_KINDS],
            "success": self.episode.is_right,
            "failure": self.episode.failure,
        }
        if self.config.truth_in_info:
            hidden = self.episode.hidden
            info["truth"] = {"hidden": hidden.index, "fraction": hidden.fraction, "phase": self.episode.phase}
        return info

    def _event(self, deed: Deed, began_ns: int) -> dict[str, Any]:
        return {
            "kind": EVENT_KINDS[deed.kind], "category": self._table.props[deed.prop].category,
            "position_world": deed.position_m, "yaw_rad": 0.0, "start_ns": began_ns, "end_ns": self.stamp_ns,
            "outcome": "success",
        }  # fmt: skip


def _observation_space(config: TabletopConfig) -> spaces.Dict:
    low, high = np.array([*LOW_M, 0.0, 0.0]), np.array([*HIGH_M, 0.2, 1.0])
    return spaces.Dict(
        {
            **image_spaces(config, farthest_m=FAR_DEPTH_M, num_ids=len(CATEGORIES) * ID_DIVISOR),
            "proprio": spaces.Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32),
            "instruction": spaces.Text(max_length=300, min_length=0, charset=string.printable),
        }
    )
