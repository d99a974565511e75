"""What `context()` costs in a world of ten thousand things: after every frame, a full one for an instruction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

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


@dataclass(kw_only=True)
class ContextCosts:
    """CPU and wall milliseconds of each context; how many had to leave something out for want of time."""

    num_entities: int = 0
    num_observations: int = 0
    cpu_ms: list[float] = field(default_factory=list)
    wall_ms: list[float] = field(default_factory=list)
    num_short_of_time: int = 0


def measure_context(
    num_things: int, num_observations: int, num_asked: int, progress: Callable[[str], None]
) -> ContextCosts:
    """Fill a world until it has seen `num_observations`; while the last frames come in, ask after each of them."""
    world, perception, shelf = WorldLayer(SqliteRepository(":memory:")), Perception(), BankShelf()
    maker = ContextMaker(world, shelf, ContextConfig())
    bank = PerceptualBank(PerceptualBankConfig(num_tokens=64))
    shelf.attach("robot", bank)
    costs = ContextCosts()
    frames = list(_until(num_things, num_observations))
    for index, frame in enumerate(frames):
        percept = perception.perceive(frame)
        maker.note_frame(frame, world.update(percept))
        costs.num_observations += len(percept.instances)
        bank.step(torch.randn(1, 64, 256), frame.stamp_ns)
        if index % 100 == 0:
            progress(f"remembering {num_things} things, frame {index} of {len(frames)}")
        asked = index - (len(frames) - num_asked - WARM_UP)
        if asked >= 0:
            _ask(maker, index, costs if asked >= WARM_UP else None)
    costs.num_entities = world.num_entities
    return costs


def _until(num_things: int, num_observations: int) -> Iterator[Frame]:
    """The hall again and again until that much was seen, the clock running on."""
    passed_ns = seen = 0
    while seen < num_observations:
        for frame in crowded_hall(num_things):
            stamp_ns = frame.stamp_ns + passed_ns
            yield replace(frame, stamp_ns=stamp_ns, received_ns=stamp_ns)
            seen += len(frame.detections)
            if seen >= num_observations:
                return
        passed_ns = stamp_ns


def _ask(maker: ContextMaker, index: int, costs: ContextCosts | None) -> None:
    words = f"bring the {COLOR_WORDS[index % 4]} {LABELS[index % len(LABELS)]} to the {LABELS[index % 7]}"
    cpu_s, wall_s = time.thread_time(), time.perf_counter()
    # Its time is that of this thread: what else runs on the machine must not decide what is left out.
    made = maker.context(words, budget=Budget(tokens=512, ms=20.0), clock=time.thread_time)
    if costs is None:
        return
    costs.cpu_ms.append((time.thread_time() - cpu_s) * 1e3)
    costs.wall_ms.append((time.perf_counter() - wall_s) * 1e3)
    costs.num_short_of_time += any(
        "time" in one or "cached" in one or "not read" in one for one in made.dropped
    )
