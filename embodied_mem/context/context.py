"""Puts a `Context` together within a budget of tokens and milliseconds, and says what had to be left out.

What is stored is read, nothing is computed anew: entities from the board, keyframes from the album, entries from the
policies' banks. When time is short it goes down in steps: fewer entries, then summaries only, then the context that was
given last. How long each step takes is measured while it is used; the clock is handed in.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from embodied_mem.context.context_banks import BankShelf
from embodied_mem.context.context_board import EntityBoard
from embodied_mem.context.context_draft import LEVELS, ContextConfig, ContextDraft, nothing_of
from embodied_mem.context.context_keyframes import KeyframeAlbum
from embodied_mem.errors import InvalidQuery, did_you_mean
from embodied_mem.layers.world import WorldLayer
from embodied_mem.messages import Budget, Context, Frame, WorldDelta

FIRST_GUESS_MS = (4.0, 1.5, 0.5)
"""What each level is taken to cost before it was measured."""
READING_SHARE = 0.4
"""At most this part of the time goes into reading what changed."""
SPARED_SHARE = 0.25
"""At most this part of the time is kept in hand for other threads."""
KEPT_ANSWERS = 16


class _Asked(NamedTuple):
    """What an answer was given to; it is no answer to anything else."""

    robot: str
    instruction: str
    slot: int


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
        # Of the board. Who writes holds it for microseconds, who asks while a context is put together. What else is read
        # is replaced whole, never changed: poses, the album's views, what was given.
        self._own = threading.RLock()
        self._board = EntityBoard()
        self._poses: dict[str, tuple[int, Float64[np.ndarray, "4 4"]]] = {}
        self._costs_ms = list(FIRST_GUESS_MS)
        self._given: dict[_Asked, Context] = {}

    # -- kept up to date ----------------------------------------------------------------------------------------

    def note_frame(self, frame: Frame, delta: WorldDelta) -> None:
        """A frame was observed, and the world changed by `delta`."""
        self.album.offer(frame, delta.seen)  # milliseconds, for which no context has to wait
        with self._own:
            last = self._poses.get(frame.robot)
            if last is None or frame.stamp_ns >= last[0]:
                self._poses = {**self._poses, frame.robot: (frame.stamp_ns, frame.T_world_camera)}
            self.note(delta)

    def note(self, delta: WorldDelta) -> None:
        """The world changed by `delta`."""
        with self._own:
            self._board.mark((*delta.seen, *delta.added, *(change.entity_id for change in delta.changes)))

    def forget(self, entity_id: str) -> None:
        """An entity was erased: also from the pictures, and from what was given."""
        self.album.forget(entity_id)
        with self._own:
            self._board.remove(entity_id)
            self._given = {}

    def reset(self) -> None:
        """Everything was erased."""
        with self._own:
            self.album = KeyframeAlbum(self.config.keyframes)
            self._board = EntityBoard()
            self._poses, self._given = {}, {}

    def arrays(self) -> dict[str, np.ndarray]:
        """Keyframes and the robots' last poses, to be saved."""
        poses = self._poses
        names = sorted(poses)
        return self.album.arrays() | {
            "robots": np.array(names, dtype=np.str_),
            "robot_stamps_ns": np.array([poses[name][0] for name in names], dtype=np.int64),
            "robot_poses": np.array([poses[name][1] for name in names]).reshape(-1, 4, 4),
        }

    def load(self, arrays: dict[str, np.ndarray]) -> None:
        """What `arrays` gave; nothing changes when it is empty."""
        if not arrays:
            return
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

        `slot` is the robot's in the banks. See `Context` for what is in it. Whoever else is writing or asking, the answer
        comes in time: what was given last, if it fits the budget, or nothing but the reason in `dropped`.

        Raises:
            InvalidQuery: no robot of that name has observed anything.
            UnknownSlot: banks are attached, and none of them has the slot.
        """
        start_s, usable_ms = clock(), budget.ms - _spared_ms(budget)

        def left_ms() -> float:
            return usable_ms - (clock() - start_s) * 1e3

        self._banks.check_slot(slot)
        asked = _Asked(self._robot(robot), instruction, slot)
        num_unread = self._refresh(left_ms, usable_ms)
        with _taken(self._own, left_ms() - self._costs_ms[-1]) as is_free:
            if is_free:
                return self._made(asked, budget, left_ms, num_unread)
        busy = f"everything: the memory was in use for too long to answer within {budget.ms:g} ms"
        stamp_ns, _ = self._pose(asked.robot)
        return self._given_before(asked, budget) or nothing_of(
            asked.robot, stamp_ns, instruction, self.config, why=busy
        )

    def _made(self, asked: _Asked, budget: Budget, left_ms: Callable[[], float], num_unread: int) -> Context:
        """As much as there is time for. `_own` is held."""
        level = next((i for i, cost in enumerate(self._costs_ms) if cost <= left_ms()), None)
        if level is None:
            given = self._given_before(asked, budget)
            if given is not None:
                return given
            level = len(LEVELS) - 1
        begun_ms = left_ms()
        stamp_ns, T_world_camera = self._pose(asked.robot)
        made = ContextDraft(
            config=self.config, board=self._board, views=self.album.views, banks=self._banks, robot=asked.robot,
            stamp_ns=stamp_ns, T_world_camera=T_world_camera, instruction=asked.instruction, budget=budget,
            slot=asked.slot, level=level, left_ms=left_ms,
        ).written()  # fmt: skip
        self._learn_cost(level, begun_ms - left_ms())
        if num_unread:
            made = replace(made, dropped=(*made.dropped, f"changes of {num_unread} entities not read yet"))
        latest = [(old, context) for old, context in self._given.items() if old != asked]
        self._given = dict([*latest[-KEPT_ANSWERS - len(self._poses) + 1 :], (asked, made)])
        return made

    def _given_before(self, asked: _Asked, budget: Budget) -> Context | None:
        """What was answered to the same question last, if it fits the budget."""
        given = self._given.get(asked)
        if given is None or given.num_tokens > budget.tokens:
            return None
        return replace(given, dropped=(f"cached: as it was given at stamp {given.stamp_ns}",))

    def _learn_cost(self, level: int, cost_ms: float) -> None:
        # The worst of late, fading: one slow run must not keep a level from ever being tried again.
        self._costs_ms[level] = max(cost_ms, 0.95 * self._costs_ms[level])
        for better in range(level):
            self._costs_ms[better] *= 0.98

    def _refresh(self, left_ms: Callable[[], float], whole_ms: float) -> int:
        """Read what changed; how many changes are left because time ran short or the world was being written."""
        stop_ms = (1.0 - READING_SHARE) * whole_ms
        with (
            _taken(self._lock, left_ms() - stop_ms) as is_readable,
            _taken(self._own, left_ms() - stop_ms) as is_free,
        ):
            if not (is_readable and is_free):
                return self._board.num_stale
            with self._world.reading() as view:
                return self._board.refresh(view, lambda: left_ms() > stop_ms)

    def _robot(self, robot: str | None) -> str:
        poses = self._poses
        if robot is None:
            return max(poses, key=lambda name: poses[name][0], default="robot")
        if robot not in poses:
            known = sorted(poses)
            raise InvalidQuery(
                f"no robot {robot!r} has observed anything; have {known}.{did_you_mean(robot, known)}"
            )
        return robot

    def _pose(self, robot: str) -> tuple[int, Float64[np.ndarray, "4 4"]]:
        """The stamp of the robot's last frame and its T_world_camera."""
        return self._poses.get(robot, (0, np.eye(4)))


def _spared_ms(budget: Budget) -> float:
    """Another thread may keep the interpreter for a switch interval just when the answer is all but done."""
    if threading.active_count() == 1:
        return 0.0
    return min(sys.getswitchinterval() * 1e3, SPARED_SHARE * budget.ms)


@contextmanager
def _taken(lock: threading.RLock, wait_ms: float) -> Iterator[bool]:
    """The lock for the block, and True; False if somebody else kept it for longer than `wait_ms`."""
    is_taken = lock.acquire(timeout=min(max(0.0, wait_ms) / 1e3, threading.TIMEOUT_MAX))
    try:
        yield is_taken
    finally:
        if is_taken:
            lock.release()
