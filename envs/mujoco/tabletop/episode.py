"""One episode's phases: cue, gate, choice, commit. No pictures here, so that plans can be tried without rendering."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float32

from .config import TabletopConfig
from .interference import NUM_DISTRACTORS, SCENE_STEPS, Distraction, draw_distractions
from .props import Colour
from .task import Choice, Hidden, Layout, Task
from .world import HIGH_M, LOW_M, Deed, TableWorld

Phase = Literal["cue", "gate", "choice", "over"]
STEP_M = 0.04
TABLE_COLOUR: Colour = (0.72, 0.64, 0.52)


@dataclass(frozen=True, kw_only=True)
class Streams:
    """Independent random numbers of one seed. `hidden` is apart from all that can be seen beside it."""

    hidden: np.random.Generator
    nuisance: np.random.Generator
    cue_images: np.random.SeedSequence
    choice_images: np.random.SeedSequence

    @classmethod
    def of(cls, seed: int) -> Streams:
        hidden, nuisance, cue, choice = np.random.SeedSequence(seed).spawn(4)
        return cls(
            hidden=np.random.default_rng(hidden), nuisance=np.random.default_rng(nuisance), cue_images=cue,
            choice_images=choice,
        )  # fmt: skip


def draw_hidden(task: Task, rng: np.random.Generator) -> Hidden:
    """Uniform over the task's values."""
    u, v = rng.random(2)
    return Hidden(index=int(rng.integers(max(1, task.facts.num_choices))), fraction=(float(u), float(v)))


@dataclass
class Episode:
    """The phase machine. `clock` counts steps on the canonical clock: after the gate it never tells how long the cue took."""

    task: Task
    table: TableWorld
    config: TabletopConfig
    hidden: Hidden
    nuisance: np.random.Generator
    phase: Phase = "cue"
    clock: int = 0
    is_right: bool = False
    is_out_of_time: bool = False
    """Over without a commit that ends it."""
    choice: Choice | None = None
    deeds: list[Deed] = field(default_factory=list)
    """Since the gate opened."""

    def __post_init__(self) -> None:
        rng = self.nuisance
        self.table.clear()
        self.layout: Layout = self.task.draw(rng)
        self._tint: Colour = tuple(
            float(c + d) for c, d in zip(TABLE_COLOUR, rng.uniform(-0.12, 0.12, 3), strict=True)
        )  # type: ignore[assignment]
        self._camera_shift_m = rng.uniform(-0.012, 0.012, 3)
        self._distractions: list[Distraction] = draw_distractions(rng, self.config.interference)
        self._since, self._pressed_at, self._num_choice_steps = 0, -1, 0
        self._dress()
        if self.task.facts.cue_steps:
            self.task.show(self.table, self.layout, self.hidden, 0)
        else:
            self.phase = "choice"
            self.task.lay_out(self.table, self.layout)

    @property
    def is_over(self) -> bool:
        return self.phase == "over"

    @property
    def cue_limit(self) -> int:
        facts = self.task.facts
        return facts.cue_steps if facts.is_timed else facts.cue_steps * self.config.patience

    @property
    def choice_limit(self) -> int:
        return self.task.facts.choice_steps * self.config.patience

    @property
    def gate_steps(self) -> int:
        return self.config.delay + SCENE_STEPS * len(self._distractions)

    @property
    def failure(self) -> str:
        """Why an episode that is over was not a success: recall, motor or no_commit; empty otherwise."""
        if not self.is_over or self.is_right:
            return ""
        if self.choice is not None:
            return "recall"
        return "motor" if self.deeds else "no_commit"

    def advance(self, action: Float32[np.ndarray, "4"]) -> list[Deed]:
        """One control period. Returns what the gripper did; while the gate is shut it does nothing."""
        assert not self.is_over, "the episode is over; reset the environment"
        self.clock += 1
        self._since += 1
        match self.phase:
            case "cue":
                return self._advance_cue(action)
            case "gate":
                self._advance_gate()
                return []
            case _:
                return self._advance_choice(action)

    def _advance_cue(self, action: Float32[np.ndarray, "4"]) -> list[Deed]:
        deeds = self._move(action)
        self.task.notice(self.table, self.layout, self.hidden, deeds)
        if self._since >= self.cue_limit or self._is_cue_finished(deeds):
            self._shut_gate()
        elif self.task.facts.is_timed:
            self.task.show(self.table, self.layout, self.hidden, self._since)
        return deeds

    def _is_cue_finished(self, deeds: list[Deed]) -> bool:
        """Whether the robot pressed the button, and has had the time to look that a task gives."""
        facts = self.task.facts
        may_end = self.config.strict or self.task.is_ready(self.table, self.layout)
        is_pressed = any(deed.kind == "press" and deed.prop == "button" for deed in deeds)
        if is_pressed and may_end and self._pressed_at < 0:
            self._pressed_at = self._since
        return not facts.is_timed and 0 <= self._pressed_at <= self._since - facts.linger_steps

    def _shut_gate(self) -> None:
        if not self.config.strict and self.task.facts.keeps_scene:
            self._begin("choice")  # as published: everything stays where the robot left it
            return
        self._begin("gate")
        self.clock = self.cue_limit
        self._cover()

    def _advance_gate(self) -> None:
        if self._since >= self.gate_steps:
            self._begin("choice")
            self.table.clear()
            self._dress()
            self.task.lay_out(self.table, self.layout)
        elif self._since >= self.config.delay:
            self._distract((self._since - self.config.delay) // SCENE_STEPS)

    def _advance_choice(self, action: Float32[np.ndarray, "4"]) -> list[Deed]:
        self._num_choice_steps += 1
        deeds = self._move(action)
        self.deeds += deeds
        if deeds:
            self.task.react(self.table, self.layout, self.deeds)
        choice = self.task.chosen(self.layout, self.deeds) if deeds else None
        if choice is not None:
            self.choice = choice
            self.is_right = self.task.is_right(choice, self.layout, self.hidden)
        is_final = choice is not None and (self.config.strict or self.is_right)
        if choice is not None and not is_final:
            self.deeds = []  # as published: try again
        if is_final or self._num_choice_steps >= self.choice_limit:
            self.phase, self.is_out_of_time = "over", not is_final
        elif any(deed.kind == self.task.facts.gate_after for deed in deeds):
            self._begin("gate")
            self._cover()
        return deeds

    def _move(self, action: Float32[np.ndarray, "4"]) -> list[Deed]:
        command = np.clip(np.asarray(action, dtype=np.float64), -1.0, 1.0)
        if self.config.control == "velocity":
            target = np.asarray(self.table.tip) + STEP_M * command[:3]
        else:
            target = LOW_M + (command[:3] + 1.0) / 2.0 * (HIGH_M - LOW_M)
        return self.table.act(target, close=bool(command[3] > 0.0))

    def _begin(self, phase: Phase) -> None:
        self.phase, self._since = phase, 0

    def _cover(self) -> None:
        self.table.clear()
        self._dress()
        self.table.put("cover", (0.0, 0.0, 0.0))

    def _distract(self, index: int) -> None:
        distraction = self._distractions[index]
        self.table.paint("cover", distraction.cloth)
        for number in range(NUM_DISTRACTORS):
            self.table.hide(f"distractor{number}")
        for number, (place, colour) in enumerate(zip(distraction.places, distraction.colours, strict=True)):
            self.table.put(f"distractor{number}", place)
            self.table.paint(f"distractor{number}", colour)

    def _dress(self) -> None:
        self.table.paint_table(self._tint)
        self.table.shift_cameras(self._camera_shift_m)
