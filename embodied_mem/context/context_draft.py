"""Writes one `Context` within a budget of tokens: what is told first, what it rests on, what is left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64

from embodied_mem.context.context_banks import BankShelf
from embodied_mem.context.context_board import EntityBoard, Row
from embodied_mem.context.context_keyframes import KeptView, KeyframeConfig
from embodied_mem.errors import UnknownSlot
from embodied_mem.messages import (
    KEYFRAME_TOKENS,
    BankTokens,
    Budget,
    Context,
    EntityTokens,
    Interval,
    Keyframe,
)

CHARACTERS_PER_TOKEN = 3.0
LEVELS = ("everything", "fewer entries", "summaries only")
FEWER = 4
"""The second level has this part of the entries, keyframes and bank entries."""
BANK_WAIT_S = 0.002


@dataclass(frozen=True, kw_only=True)
class ContextConfig:
    """How a budget is shared out.

    Attributes:
        keyframes: how they are chosen and kept.
        max_entities: rows of the entity table.
        max_bank_entries: rows of each bank's table.
        text_share, keyframe_share: of the tokens; banks get the rest.
    """

    keyframes: KeyframeConfig = field(default_factory=KeyframeConfig)
    max_entities: int = 32
    max_bank_entries: int = 64
    text_share: float = 0.5
    keyframe_share: float = 0.25


@dataclass(kw_only=True)
class ContextDraft:
    """A context while it is put together, of what is known now: at `level` of `LEVELS`, for one slot of the banks.

    Call `written` once. Nothing here waits, but for a bank that is being stepped, and for all of them together no longer
    than `BANK_WAIT_S`.
    """

    config: ContextConfig
    board: EntityBoard
    views: Sequence[KeptView]
    banks: BankShelf
    robot: str
    stamp_ns: int
    T_world_camera: Float64[np.ndarray, "4 4"]
    instruction: str
    budget: Budget
    slot: int
    level: int
    left_ms: Callable[[], float]

    def __post_init__(self) -> None:
        self._tokens_left = self.budget.tokens
        self._sources: dict[str, None] = {}
        self._dropped: list[str] = []
        self._bank_wait_s = BANK_WAIT_S

    def written(self) -> Context:
        """The context."""
        if self.level:
            self._dropped.append(f"{LEVELS[self.level]}: time was short")
        text, entities = self._entities()
        keyframes = () if self._is_summary or self._is_too_late("keyframes") else self._keyframes()
        banks = {} if self._is_summary or self._is_too_late("banks") else self._bank_tokens()
        return Context(
            robot=self.robot, stamp_ns=self.stamp_ns, instruction=self.instruction, text=text, entities=entities,
            keyframes=keyframes, banks=banks, sources=tuple(self._sources),
            num_tokens=self.budget.tokens - self._tokens_left, dropped=tuple(self._dropped),
        )  # fmt: skip

    @property
    def _is_summary(self) -> bool:
        return self.level == len(LEVELS) - 1

    def _is_too_late(self, part: str) -> bool:
        """Whether time ran out meanwhile, so that a part is left out altogether."""
        if self.left_ms() > 0.0:
            return False
        self._dropped.append(f"{part}: time was short")
        return True

    def _entities(self) -> tuple[str, EntityTokens]:
        T_robot_world = _heading_frame(self.T_world_camera)
        origin_world_m = -T_robot_world[:3, :3].T @ T_robot_world[:3, 3]
        num = (self.config.max_entities, self.config.max_entities // FEWER, 0)[self.level]
        rows, _ = self.board.best(self.instruction, origin_world_m, self.stamp_ns, max(1, num))
        rows = rows[:num]
        room = int(self._tokens_left * self.config.text_share)
        lines = [f"{len(self.board)} things known; positions from the robot, x ahead, y left, z up, metres."]
        if self._is_summary:
            lines += [f"- {number} {name}" for name, number in self.board.counts().items()]
        chosen: list[Row] = []
        for row in rows:
            line = _line(row, T_robot_world, self.stamp_ns)
            if _num_tokens("\n".join([*lines, line])) + len(chosen) + 1 > room:
                break
            lines.append(line)
            chosen.append(row)
            self._sources[f"fact/{row.fact_id}"] = None
        while len(lines) > 1 and _num_tokens("\n".join(lines)) + len(chosen) > room:
            lines.pop()
        text = "\n".join(lines) if _num_tokens("\n".join(lines)) <= self._tokens_left else ""
        self._tokens_left -= _num_tokens(text) + len(chosen)
        if len(chosen) < len(self.board):
            self._dropped.append(f"{len(self.board) - len(chosen)} of {len(self.board)} entities")
        return text, _table(chosen, self.config.max_entities, T_robot_world, self.stamp_ns)

    def _keyframes(self) -> tuple[Keyframe, ...]:
        room = min(int(self.budget.tokens * self.config.keyframe_share), self._tokens_left)
        num = room // KEYFRAME_TOKENS // (FEWER if self.level else 1)
        if len(self.views) > num:
            self._dropped.append(f"{len(self.views) - num} of {len(self.views)} keyframes")
        if not num or not self.views:
            return ()
        named = self.board.named(self.instruction)

        def worth(view: KeptView) -> float:
            return 10.0 * min(1, len(named.intersection(view.seen))) + view.weight

        best = sorted(sorted(self.views, key=worth)[-num:], key=lambda view: view.stamp_ns)
        self._tokens_left -= KEYFRAME_TOKENS * len(best)
        self._sources.update(dict.fromkeys(view.source for view in best))
        return tuple(
            Keyframe(
                stamp_ns=view.stamp_ns, age_s=max(0, self.stamp_ns - view.stamp_ns) / 1e9, source=view.source,
                image=view.image(), seen=view.seen, weight=view.weight,
            )
            for view in best
        )  # fmt: skip

    def _bank_tokens(self) -> dict[str, BankTokens]:
        found: dict[str, BankTokens] = {}
        for name in self.banks.names:
            try:
                held, why_not = self._tokens_of(name)
            except UnknownSlot:
                held, why_not = None, f" has no slot {self.slot}"
            if held is None:
                self._dropped.append(f"the bank {name!r}{why_not}")
                continue
            found[name], seen = held
            self._tokens_left -= int(found[name].mask.sum())
            self._sources[f"bank/{name}/{self.slot}/{seen.from_ns}..{seen.to_ns}"] = None
        return found

    def _tokens_of(self, name: str) -> tuple[tuple[BankTokens, Interval] | None, str]:
        """A bank's tokens and when they were seen, or why there are none."""
        num = min(self.config.max_bank_entries // (FEWER if self.level else 1), self._tokens_left)
        if not self.banks.is_attached(name):
            return None, " is not attached"
        if num <= 0:
            return None, ""
        try:
            wait_s = min(self._bank_wait_s, max(0.0, self.left_ms() / 1e3))
            held = self.banks.tokens(name, self.slot, num, self.stamp_ns, wait_s=wait_s)
        except TimeoutError:
            self._bank_wait_s = 0.0  # all banks are stepped under one lock
            return None, ": it was being stepped"
        return held, " has no entries to read"


def nothing_of(robot: str, stamp_ns: int, instruction: str, config: ContextConfig, *, why: str) -> Context:
    """A context that tells nothing but why."""
    return Context(
        robot=robot, stamp_ns=stamp_ns, instruction=instruction, text="",
        entities=_table([], config.max_entities, np.eye(4), stamp_ns), dropped=(why,),
    )  # fmt: skip


def _heading_frame(T_world_camera: Float64[np.ndarray, "4 4"]) -> Float64[np.ndarray, "4 4"]:
    """T_robot_world of an upright frame at the camera whose x axis points where the camera looks."""
    forward = T_world_camera[:3, 2]
    if float(np.hypot(*forward[:2])) < 1e-6:  # it looks straight up or down: the image's upper side is ahead
        forward = -T_world_camera[:3, 1] if forward[2] < 0 else T_world_camera[:3, 1]
    yaw = math.atan2(float(forward[1]), float(forward[0]))
    cos, sin = math.cos(yaw), math.sin(yaw)
    T = np.eye(4)
    T[:2, :2] = [[cos, sin], [-sin, cos]]
    T[:3, 3] = -T[:3, :3] @ T_world_camera[:3, 3]
    return T


def _num_tokens(text: str) -> int:
    return math.ceil(len(text) / CHARACTERS_PER_TOKEN)


def _line(row: Row, T_robot_world: Float64[np.ndarray, "4 4"], now_ns: int) -> str:
    x, y, z = T_robot_world[:3, :3] @ row.position_world_m + T_robot_world[:3, 3]
    note = f" ({row.note})" if row.note else ""
    on = f" on {row.support}" if row.support else ""
    age_s = max(0, now_ns - row.last_seen_ns) / 1e9
    return f"- {row.name} {row.entity_id}{note}{on} at ({x:.2f}, {y:.2f}, {z:.2f}), {age_s:.0f} s ago [fact/{row.fact_id}]"


def _table(
    rows: list[Row], size: int, T_robot_world: Float64[np.ndarray, "4 4"], now_ns: int
) -> EntityTokens:
    width = max((len(row.appearance) for row in rows), default=0)
    positions, vectors = np.zeros((size, 3), dtype=np.float32), np.zeros((size, width), dtype=np.float32)
    ages_s, confidences = np.zeros(size, dtype=np.float32), np.zeros(size, dtype=np.float32)
    for i, row in enumerate(rows):
        positions[i] = T_robot_world[:3, :3] @ row.position_world_m + T_robot_world[:3, 3]
        vectors[i, : len(row.appearance)] = row.appearance
        ages_s[i], confidences[i] = max(0, now_ns - row.last_seen_ns) / 1e9, row.confidence
    return EntityTokens(
        entity_ids=tuple(row.entity_id for row in rows), labels=tuple(row.name for row in rows),
        positions_robot_m=positions, vectors=vectors, ages_s=ages_s, confidences=confidences,
        mask=np.arange(size) < len(rows),
    )  # fmt: skip
