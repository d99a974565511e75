"""What `context()` costs in a world of ten thousand things: after every frame, and while another thread stores frames."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice

import torch

from embodied_mem.benchmarks.crowded import LABELS, crowded_hall
from embodied_mem.context.context import ContextMaker
from embodied_mem.context.context_banks import BankShelf
from embodied_mem.context.context_draft import ContextConfig
from embodied_mem.layers.banks import PerceptualBank, PerceptualBankConfig
from embodied_mem.layers.world import WorldLayer
from embodied_mem.messages import Budget, Frame
from embodied_mem.perception import Perception
from embodied_mem.store.sqlite import SqliteRepository

COLOR_WORDS = ("red", "blue", "green", "yellow")
WARM_UP = 20
CAMERA_PERIOD_S = 1 / 15
ASKING_PERIOD_S = 1 / 20
"""How often a policy asks while frames come in."""


@dataclass(kw_only=True)
class ContextCosts:
    """CPU and wall milliseconds of each context; how many had to leave something out for want of time.

    `frames_per_s` is how many frames another thread stored meanwhile; 0 where there was none.
    """

    num_entities: int = 0
    num_observations: int = 0
    cpu_ms: list[float] = field(default_factory=list)
    wall_ms: list[float] = field(default_factory=list)
    num_short_of_time: int = 0
    frames_per_s: float = 0.0


class _Home:
    """A world with a policy's bank beside it, stored into and asked as `RobotMemory` does, without the map."""

    def __init__(self, num_things: int) -> None:
        self.lock = threading.RLock()
        self.world, self.perception = WorldLayer(SqliteRepository(":memory:")), Perception()
        self.shelf, self.bank = BankShelf(), PerceptualBank(PerceptualBankConfig(num_tokens=64))
        self.shelf.attach("robot", self.bank)
        self.maker = ContextMaker(self.world, self.shelf, ContextConfig(), lock=self.lock)
        self.frames = _again_and_again(num_things)

    @torch.inference_mode()  # of each thread its own
    def store(self, frame: Frame) -> int:
        """How many things were observed."""
        percept = self.perception.perceive(frame)
        with self.lock:
            delta = self.world.update(percept)
        self.maker.note_frame(frame, delta)
        with self.shelf.stepping():
            self.bank.step(torch.randn(1, 64, 256), frame.stamp_ns)
        return len(percept.instances)

    def ask(self, index: int, costs: ContextCosts | None, clock: Callable[[], float]) -> None:
        words = f"bring the {COLOR_WORDS[index % 4]} {LABELS[index % len(LABELS)]} to the {LABELS[index % 7]}"
        cpu_s, wall_s = time.thread_time(), time.perf_counter()
        made = self.maker.context(words, budget=Budget(tokens=512, ms=20.0), clock=clock)
        if costs is None:
            return
        costs.cpu_ms.append((time.thread_time() - cpu_s) * 1e3)
        costs.wall_ms.append((time.perf_counter() - wall_s) * 1e3)
        hurry = ("time", "cached", "not read", "in use", "being stepped")
        costs.num_short_of_time += any(word in one for one in made.dropped for word in hurry)
        costs.num_entities = self.world.num_entities


def measure_context(
    num_things: int, num_observations: int, num_asked: int, progress: Callable[[str], None]
) -> tuple[ContextCosts, ContextCosts]:
    """Fill a world until it has seen `num_observations`; ask after each of the last frames, then while further ones come in.

    The first time is that of the asking thread: what else runs on the machine must not decide what is left out. The second
    is the wall's, which is what a robot has.
    """
    home = _Home(num_things)
    after, during = ContextCosts(), ContextCosts()
    frames = list(_until(home.frames, num_observations))
    for index, frame in enumerate(frames):
        after.num_observations += home.store(frame)
        if index % 100 == 0:
            progress(f"remembering {num_things} things, frame {index} of {len(frames)}")
        asked = index - (len(frames) - num_asked - WARM_UP)
        if asked >= 0:
            home.ask(index, after if asked >= WARM_UP else None, time.thread_time)
    progress(f"asking {num_asked} times while frames come in")
    _ask_while_storing(home, during, num_asked)
    during.num_observations = after.num_observations
    return after, during


def _ask_while_storing(home: _Home, costs: ContextCosts, num_asked: int) -> None:
    is_over = threading.Event()
    num_coming = 1 + int(2 * num_asked * ASKING_PERIOD_S / CAMERA_PERIOD_S)
    coming = list(islice(home.frames, num_coming))  # drawn beforehand: a camera costs the robot nothing
    begun_s = time.perf_counter()
    with ThreadPoolExecutor(1) as pool:
        storing = pool.submit(_store_until, home, coming, is_over)
        try:
            for index in range(num_asked):
                home.ask(index, costs, time.perf_counter)
                time.sleep(ASKING_PERIOD_S)
        finally:
            is_over.set()
        costs.frames_per_s = storing.result() / (time.perf_counter() - begun_s)


def _store_until(home: _Home, frames: list[Frame], is_over: threading.Event) -> int:
    """Store frames at the camera's rate until it is over; how many."""
    due_s = time.perf_counter()
    for number, frame in enumerate(frames, start=1):
        home.store(frame)
        due_s = max(due_s + CAMERA_PERIOD_S, time.perf_counter())
        if is_over.wait(due_s - time.perf_counter()):
            return number
    return len(frames)


def _again_and_again(num_things: int) -> Iterator[Frame]:
    """The hall again and again, the clock running on."""
    passed_ns = stamp_ns = 0
    while True:
        for frame in crowded_hall(num_things):
            stamp_ns = frame.stamp_ns + passed_ns
            yield replace(frame, stamp_ns=stamp_ns, received_ns=stamp_ns)
        passed_ns = stamp_ns


def _until(frames: Iterator[Frame], num_observations: int) -> Iterator[Frame]:
    """Frames that show as many things."""
    seen = 0
    while seen < num_observations:
        frame = next(frames)
        seen += len(frame.detections)
        yield frame
