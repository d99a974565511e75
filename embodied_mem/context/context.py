"""Puts a `Context` together within a budget of tokens and milliseconds, and says what had to be left out.

What is stored is read, nothing is computed anew: entities from the board, keyframes from the album, entries from the
policies' banks. When time is short it goes down in steps: fewer entries, then summaries only, then the context that was
given last. How long each step takes is measured while it is used; the clock is handed in.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float64

from embodied_mem.context.context_banks import BankShelf
from embodied_mem.context.context_board import EntityBoard, Row
from embodied_mem.context.context_keyframes import KeptView, KeyframeAlbum, KeyframeConfig
from embodied_mem.errors import InvalidQuery, did_you_mean
from embodied_mem.layers.world import WorldLayer
from embodied_mem.messages import (
    KEYFRAME_TOKENS,
    BankTokens,
    Budget,
    Context,
    EntityTokens,
    Frame,
    Keyframe,
    WorldDelta,
)

CHARACTERS_PER_TOKEN = 3.0
LEVELS = ("everything", "fewer entries", "summaries only")
FIRST_GUESS_MS = (4.0, 1.5, 0.5)
"""What each level is taken to cost before it was measured."""
FEWER = 4
"""The second level has this part of the entries, keyframes and bank entries."""
BANK_WAIT_S = 0.002
READING_SHARE = 0.4
"""At most this part of the time goes into reading what changed."""


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
class _Draft:
    """A context while it is put together."""

    tokens_left: int
    sources: dict[str, None] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)


class ContextMaker:
    """Keeps what contexts are made of up to date with a world layer, and makes them."""

    def __init__(
        self,
        world: WorldLayer,
        banks: BankShelf,
        config: ContextConfig,
        *,
        lock: threading.RLock | None = None,
    ) -> None:
        """`lock` is held by whoever changes the world; a context waits for it no longer than its time allows."""
        self.config = config
        self.album = KeyframeAlbum(config.keyframes)
        self._world, self._banks = world, banks
        self._lock = lock or threading.RLock()
        self._own = threading.RLock()  # of board, album and poses; held for microseconds by those who write
        self._board = EntityBoard()
        self._poses: dict[str, tuple[int, Float64[np.ndarray, "4 4"]]] = {}
        self._costs_ms = list(FIRST_GUESS_MS)
        self._given: dict[tuple[str, str], Context] = {}

    # -- kept up to date ----------------------------------------------------------------------------------------

    def note_frame(self, frame: Frame, delta: WorldDelta) -> None:
        """A frame was observed, and the world changed by `delta`."""
        with self._own:
            last = self._poses.get(frame.robot)
            if last is None or frame.stamp_ns >= last[0]:
                self._poses[frame.robot] = (frame.stamp_ns, frame.T_world_camera)
            self.album.offer(frame, delta.seen)
        self.note(delta)

    def note(self, delta: WorldDelta) -> None:
        """The world changed by `delta`."""
        with self._own:
            self._board.mark((*delta.seen, *delta.added, *(change.entity_id for change in delta.changes)))

    def forget(self, entity_id: str) -> None:
        """An entity was erased: also from the pictures, and from what was given."""
        with self._own:
            self.album.forget(entity_id)
            self._board.remove(entity_id)
            self._given.clear()

    def reset(self) -> None:
        """Everything was erased."""
        with self._own:
            self.album = KeyframeAlbum(self.config.keyframes)
            self._board = EntityBoard()
            self._poses.clear()
            self._given.clear()

    def arrays(self) -> dict[str, np.ndarray]:
        """Keyframes and the robots' last poses, to be saved."""
        with self._own:
            names = sorted(self._poses)
            return self.album.arrays() | {
                "robots": np.array(names, dtype=np.str_),
                "robot_stamps_ns": np.array([self._poses[name][0] for name in names], dtype=np.int64),
                "robot_poses": np.array([self._poses[name][1] for name in names]).reshape(-1, 4, 4),
            }

    def load(self, arrays: dict[str, np.ndarray]) -> None:
        """What `arrays` gave; nothing changes when it is empty."""
        if not arrays:
            return
        with self._own:
            self.album.load(arrays)
            self._poses = {
                str(name): (int(arrays["robot_stamps_ns"][i]), arrays["robot_poses"][i])
                for i, name in enumerate(arrays["robots"])
            }

    # -- asked --------------------------------------------------------------------------------------------------

    def context(
        self,
        instruction: str,
        *,
        budget: Budget = Budget(),
        robot: str | None = None,
        slot: int = 0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> Context:
        """What matters for an instruction, in the frame of `robot` (None: the one that observed last).

        `slot` is the robot's in the banks. See `Context` for what is in it.

        Raises:
            InvalidQuery: no robot of that name has observed anything.
        """
        start_s = clock()

        def left_ms() -> float:
            return budget.ms - (clock() - start_s) * 1e3

        num_unread = self._refresh(left_ms, budget.ms)
        with self._own:
            name = self._robot(robot)
            given = self._given.get((name, instruction))
            level = next((i for i, cost in enumerate(self._costs_ms) if cost <= left_ms()), None)
            if level is None:
                if given is not None:
                    return replace(given, dropped=(f"cached: as it was given at stamp {given.stamp_ns}",))
                level = len(LEVELS) - 1
            begun_ms = left_ms()
            made = self._make(instruction, budget, name, slot, level)
            self._learn_cost(level, begun_ms - left_ms())
            if num_unread:
                made = replace(
                    made, dropped=(*made.dropped, f"changes of {num_unread} entities not read yet")
                )
            self._given[name, instruction] = made
            while len(self._given) > len(self._poses) + 16:
                del self._given[next(iter(self._given))]
            return made

    def _learn_cost(self, level: int, cost_ms: float) -> None:
        # The worst of late, fading: one slow run must not keep a level from ever being tried again.
        self._costs_ms[level] = max(cost_ms, 0.95 * self._costs_ms[level])
        for better in range(level):
            self._costs_ms[better] *= 0.98

    def _refresh(self, left_ms: Callable[[], float], whole_ms: float) -> int:
        """Read what changed; how many changes are left because time ran short or the world was being written."""
        stop_ms = (1.0 - READING_SHARE) * whole_ms
        if not self._lock.acquire(timeout=max(0.0, left_ms() - stop_ms) / 1e3):
            with self._own:
                return self._board.num_stale
        try:
            with self._world.reading() as view, self._own:
                return self._board.refresh(view, lambda: left_ms() > stop_ms)
        finally:
            self._lock.release()

    def _robot(self, robot: str | None) -> str:
        if robot is None:
            return max(self._poses, key=lambda name: self._poses[name][0], default="robot")
        if robot not in self._poses:
            known = sorted(self._poses)
            raise InvalidQuery(
                f"no robot {robot!r} has observed anything; have {known}.{did_you_mean(robot, known)}"
            )
        return robot

    def _make(self, instruction: str, budget: Budget, robot: str, slot: int, level: int) -> Context:
        stamp_ns, T_world_camera = self._poses.get(robot, (0, np.eye(4)))
        draft = _Draft(tokens_left=budget.tokens)
        if level:
            draft.dropped.append(f"{LEVELS[level]}: time was short")
        T_robot_world = _heading_frame(T_world_camera)
        text, entities = self._entities(instruction, T_robot_world, stamp_ns, draft, level)
        keyframes = () if level == 2 else self._keyframes(instruction, stamp_ns, budget, draft, level)
        banks = {} if level == 2 else self._bank_tokens(robot, slot, stamp_ns, draft, level)
        return Context(
            robot=robot, stamp_ns=stamp_ns, instruction=instruction, text=text, entities=entities,
            keyframes=keyframes, banks=banks, sources=tuple(draft.sources),
            num_tokens=budget.tokens - draft.tokens_left, dropped=tuple(draft.dropped),
        )  # fmt: skip

    def _entities(
        self,
        instruction: str,
        T_robot_world: Float64[np.ndarray, "4 4"],
        now_ns: int,
        draft: _Draft,
        level: int,
    ) -> tuple[str, EntityTokens]:
        origin_world_m = -T_robot_world[:3, :3].T @ T_robot_world[:3, 3]
        num = (self.config.max_entities, self.config.max_entities // FEWER, 0)[level]
        rows, _ = self._board.best(instruction, origin_world_m, now_ns, max(1, num))
        rows = rows[:num]
        room = int(draft.tokens_left * self.config.text_share)
        lines = [f"{len(self._board)} things known; positions from the robot, x ahead, y left, z up, metres."]
        if level == 2:
            lines += [f"- {number} {name}" for name, number in self._board.counts().items()]
        chosen: list[Row] = []
        for row in rows:
            line = _line(row, T_robot_world, now_ns)
            if _num_tokens("\n".join([*lines, line])) + len(chosen) + 1 > room:
                break
            lines.append(line)
            chosen.append(row)
            draft.sources[f"fact/{row.fact_id}"] = None
        while len(lines) > 1 and _num_tokens("\n".join(lines)) + len(chosen) > room:
            lines.pop()
        text = "\n".join(lines) if _num_tokens("\n".join(lines)) <= draft.tokens_left else ""
        draft.tokens_left -= _num_tokens(text) + len(chosen)
        if len(chosen) < len(self._board):
            draft.dropped.append(f"{len(self._board) - len(chosen)} of {len(self._board)} entities")
        return text, _table(chosen, self.config.max_entities, T_robot_world, now_ns)

    def _keyframes(
        self, instruction: str, now_ns: int, budget: Budget, draft: _Draft, level: int
    ) -> tuple[Keyframe, ...]:
        room = min(int(budget.tokens * self.config.keyframe_share), draft.tokens_left)
        num = room // KEYFRAME_TOKENS // (FEWER if level else 1)
        views = self.album.views
        if len(views) > num:
            draft.dropped.append(f"{len(views) - num} of {len(views)} keyframes")
        if not num or not views:
            return ()
        named = self._board.named(instruction)

        def worth(view: KeptView) -> float:
            return 10.0 * min(1, len(named.intersection(view.seen))) + view.weight

        best = sorted(sorted(views, key=worth)[-num:], key=lambda view: view.stamp_ns)
        draft.tokens_left -= KEYFRAME_TOKENS * len(best)
        draft.sources.update(dict.fromkeys(view.source for view in best))
        return tuple(
            Keyframe(
                stamp_ns=view.stamp_ns, age_s=max(0, now_ns - view.stamp_ns) / 1e9, source=view.source,
                image=view.image(), seen=view.seen, weight=view.weight,
            )
            for view in best
        )  # fmt: skip

    def _bank_tokens(
        self, robot: str, slot: int, now_ns: int, draft: _Draft, level: int
    ) -> dict[str, BankTokens]:
        found: dict[str, BankTokens] = {}
        most = self.config.max_bank_entries // (FEWER if level else 1)
        for name in self._banks.names:
            num = min(most, draft.tokens_left)
            if num <= 0:
                draft.dropped.append(f"the bank {name!r}")
                continue
            try:
                tokens = self._banks.tokens(name, slot, num, now_ns, wait_s=BANK_WAIT_S)
            except TimeoutError:
                draft.dropped.append(f"the bank {name!r}: it was being stepped")
                continue
            if tokens is None:
                continue
            found[name] = tokens
            draft.tokens_left -= int(tokens.mask.sum())
            draft.sources[f"bank/{name}/{slot}"] = None
        return found


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
