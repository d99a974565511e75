"""`EmbodiedMem/<Task>-v0` in a home: look at places, a gate, then a choice; the first choice ends the episode.

Action: one number. 0 to 4: go to a place and look at it; 5 to 9: choose place (or answer) 0 to 4. During the cue and the gate
choices do nothing; the gate shuts after `cue_steps` actions whatever they were. In SearchNoRevisit 0 to 4 search a place,
after which the gate shuts, and other actions do nothing.
"""

from __future__ import annotations

from typing import Any

from gymnasium import spaces

from embodied_mem.errors import ConfigError, did_you_mean

from ..sensing import HeadCamera
from ..tabletop.interference import SCENE_STEPS
from .base import FOVY_DEG, HomeTaskEnv, Observation
from .config import NUM_PLACES, make_config
from .interference import Scene, draw_scenes
from .stage import Stage, make_stage, spot_of
from .tasks import TASKS, MobileTask, SearchNoRevisit


class MobileTaskEnv(HomeTaskEnv):
    """One mobile memory task. Options are those of `MobileConfig`, as keywords.

    `reset(options={"hidden": k})` sets the hidden variable and leaves all else as the seed has it.
    """

    def __init__(self, task: str, *, render_mode: str | None = None, **options: Any) -> None:
        if task not in TASKS:
            raise ConfigError(
                f"no mobile task {task!r}; there are {sorted(TASKS)}.{did_you_mean(task, TASKS)}"
            )
        super().__init__(make_config(options), render_mode=render_mode, longest_instruction=300)
        self.task: MobileTask = TASKS[task]()
        self.action_space = spaces.Discrete(2 * NUM_PLACES)
        self._stage: Stage | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """A new episode; the same seed gives the same home and the same pictures, to the byte."""
        super().reset(seed=seed)
        self._begin(self.task.facts.num_values, options)
        self._scenes: list[Scene] = draw_scenes(self._streams.nuisance, self.config.interference)
        self._searched: set[int] = set()
        self._events: list[dict[str, Any]] = []
        self._outcome: bool | None = None
        self._num_choice_steps = 0
        self.stage.clear()
        self._reseed(self._streams.cue_images)
        if self.task.facts.cue_steps == 0:
            self.phase = "choice"
        self.task.show(self.stage, self.hidden, 0)
        return self._observe(), self._info()

    def step(self, action: int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """One look or one choice. Reward 1.0 for a right choice (SearchNoRevisit: for finding it), else 0.0."""
        self._tick()
        self._events = []
        match self.phase:
            case "cue":
                self._advance_cue(int(action))
            case "gate":
                self._advance_gate()
            case _:
                self._advance_choice(int(action))
        is_late = self.phase == "over" and self._outcome is None
        terminated = self.phase == "over" and not is_late
        return self._observe(), float(bool(self._outcome)), terminated, is_late, self._info()

    @property
    def stage(self) -> Stage:
        """The home and its places. Privileged."""
        assert self._stage is not None, "reset() makes the stage"
        return self._stage

    def expert_action(self) -> int:
        """What the expert does now; it knows what was hidden."""
        looks = self.task.expert_looks()
        if self.phase == "cue":
            return looks[min(self._since, len(looks) - 1)]
        return self.hidden if isinstance(self.task, SearchNoRevisit) else NUM_PLACES + self.hidden

    def _advance_cue(self, action: int) -> None:
        if self._since >= self.task.facts.cue_steps:
            self.phase, self._since = "gate", 0
            self.stage.clear()
            self._reseed(self._streams.choice_images)
            return
        self.task.show(self.stage, self.hidden, self._since)
        if action < NUM_PLACES:
            self.stage.look_at(action)

    def _advance_gate(self) -> None:
        steps = self._since - self.config.delay
        if steps >= SCENE_STEPS * len(self._scenes):
            self.phase, self._since = "choice", 0
            self.stage.clear()
        elif steps >= 0:
            self._distract(self._scenes[steps // SCENE_STEPS], steps % SCENE_STEPS)

    def _distract(self, scene: Scene, step: int) -> None:
        for thing, (place, which) in enumerate(scene.spots):
            self.stage.put(self.stage.places[thing].thing.id, spot_of(self.stage, place, which, thing))
        self.stage.look_at(scene.looks[step])

    def _advance_choice(self, action: int) -> None:
        self._num_choice_steps += 1
        if isinstance(self.task, SearchNoRevisit):
            self._search(action)
        elif action >= NUM_PLACES:
            self._outcome = self.task.is_right(action - NUM_PLACES, self.hidden)
        else:
            self.stage.look_at(action)
        if self._outcome is not None or self._num_choice_steps >= self.task.facts.choice_steps:
            self.phase = "over"

    def _search(self, action: int) -> None:
        if action >= NUM_PLACES:
            return
        self._events.append(self._search_event(action))
        if action in self._searched or action == self.hidden:
            self._outcome = action == self.hidden and action not in self._searched
        self._searched.add(action)
        self.phase, self._since = "gate", 0

    def _search_event(self, place: int) -> dict[str, Any]:
        receptacle = self.stage.places[place].receptacle
        return {
            "kind": "search", "category": receptacle.category, "position_world": receptacle.centre_world,
            "start_ns": self.stamp_ns - self.config.step_ns, "end_ns": self.stamp_ns, "outcome": None,
        }  # fmt: skip

    def _make_home(self, seed: tuple[int, ...]) -> HeadCamera:
        self._stage = make_stage(seed, self.config.image_size, FOVY_DEG)
        return self._camera_in(self._stage.world)

    def _observe(self) -> Observation:
        r = self.stage.world.robot
        proprio = (r.x, r.y, r.yaw_rad, r.pan_rad, r.tilt_rad)
        return self._seen(self.stage.world, proprio, self.task.instruction(self.stage))

    def _info(self) -> dict[str, Any]:
        failure = ""
        if self.phase == "over" and not self._outcome:
            failure = "no_commit" if self._outcome is None else "recall"
        info: dict[str, Any] = {
            "stamp_ns": self.stamp_ns, "events": self._events, "success": bool(self._outcome), "failure": failure,
        }  # fmt: skip
        if self.config.truth_in_info:
            info["truth"] = {"hidden": self.hidden, "phase": self.phase}
        return info
