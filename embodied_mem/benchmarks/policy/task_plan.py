"""What is trained and asked to compare memories over tasks: recipes, seeds, evaluations, and the names they are kept by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import NamedTuple, get_args

from embodied_mem.benchmarks.policy.run_configs import EvalConfig, TrainConfig
from embodied_mem.benchmarks.policy.workplaces import DEMO_DELAYS
from embodied_mem.config import options
from embodied_mem.policy.checkpoints import CHECKPOINT_VERSION
from embodied_mem.policy.flow_expert import FlowExpertConfig
from embodied_mem.policy.memory_policy import BankKind
from embodied_mem.policy.policy_memory import StreamKind
from embodied_mem.policy.training import TrainingConfig

CAPACITY = 16
MEMORIES: dict[str, tuple[BankKind, int]] = {
    **{bank: (bank, CAPACITY) for bank in get_args(BankKind)},
    "stack": ("fifo", 3),
}
"""Every memory's bank and capacity; a stack of four pictures is the present one and the last three."""
WITHOUT_LESSONS = (*get_args(StreamKind), "none")
"""They keep no entries to think over, and practise for as many steps more."""
Ask = Callable[[int], EvalConfig]
"""What the policy of a training seed is asked."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a task is learned: how many demonstrations, and the training."""

    demos: int
    training: TrainingConfig


def recipe(demos: int, lessons: int, steps: int, naming: int = TrainingConfig.naming) -> Recipe:
    """A recipe with everything else as it is by default."""
    return Recipe(demos=demos, training=TrainingConfig(naming=naming, lessons=lessons, steps=steps))


class Planned(NamedTuple):
    """One evaluation of one training."""

    task: str
    memory: str
    seed: int
    evaluation: EvalConfig


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is run: tasks with their recipes; training seeds; and other memories beside `merge` and `none`, trained from the first seed alone.

    Every training seed plays episodes of its own: pooled, the same ones again would count as new.

    Attributes:
        episodes: a run; `blind_episodes` without memory, which come to a choice less often, `delay_episodes` where they are long.
        computes: what part of the expert's blocks decisions may run on average; all but the first of the first seed alone.
        delays: between cue and choice, in steps; the shortest first.
        far_tasks: where other memories wait for the longest delay, too.
        expert: how large it is.
        is_part: whether tasks or seeds of a larger plan are left out.
    """

    tasks: dict[str, Recipe]
    seeds: tuple[int, ...]
    others: tuple[str, ...]
    episodes: int
    blind_episodes: int
    computes: tuple[float, ...]
    delays: tuple[int, ...]
    delay_episodes: int
    far_tasks: tuple[str, ...] = ()
    expert: FlowExpertConfig = field(default_factory=FlowExpertConfig)
    is_part: bool = False

    def plain(self, seed: int) -> EvalConfig:
        """Episodes as they are."""
        return EvalConfig(episodes=self.episodes, seed=seed)

    def swapped(self, seed: int) -> EvalConfig:
        """Two episodes' memories exchanged before the choice."""
        return replace(self.plain(seed), swap=True)

    def blind(self, seed: int) -> EvalConfig:
        """As many episodes as it takes to tell what a policy without memory chooses."""
        return EvalConfig(episodes=self.blind_episodes, seed=seed)

    def early(self, compute: float) -> Ask:
        """Leaving the expert early, for that part of its compute."""
        return lambda seed: replace(self.plain(seed), compute=compute)

    def late(self, delay: int) -> Ask:
        """`delay` steps between cue and choice."""
        return lambda seed: EvalConfig(episodes=self.delay_episodes, delay=delay, seed=seed)

    def far(self, seed: int) -> EvalConfig:
        """The longest delay."""
        return self.late(self.delays[-1])(seed)

    def seeds_of(self, compute: float) -> tuple[int, ...]:
        """Which training seeds leave early for that part of the compute."""
        return self.seeds if compute == self.computes[0] else self.seeds[:1]

    def of_memory(self, seed: int) -> list[EvalConfig]:
        """All that a policy with our memory is asked."""
        computes = [compute for compute in self.computes if seed in self.seeds_of(compute)]
        asks: list[Ask] = [
            self.plain, self.swapped, *map(self.early, computes), *map(self.late, self.delays),
        ]  # fmt: skip
        return [ask(seed) for ask in asks]

    def of_other(self, task: str) -> list[Ask]:
        """What a policy with another memory is asked."""
        return [self.plain, self.far] if task in self.far_tasks else [self.plain]

    def planned(self) -> Iterator[Planned]:
        """Everything, what tells most first; what learns from the same demonstrations, one after the other."""
        for seed in self.seeds:
            for task in self.tasks:
                for evaluation in self.of_memory(seed):
                    yield Planned(task, "merge", seed, evaluation)
                yield Planned(task, "none", seed, self.blind(seed))
        first = self.seeds[0]
        for task in self.tasks:
            for other in self.others:
                for ask in self.of_other(task):
                    yield Planned(task, other, first, ask(first))

    def training(self, task: str, memory: str, seed: int) -> TrainConfig:
        """How a task's policy with that memory is trained."""
        (bank, capacity), learned = MEMORIES[memory], self.tasks[task]
        training = learned.training
        if bank in WITHOUT_LESSONS:
            training = replace(training, lessons=0, steps=training.lessons + training.steps)
        return TrainConfig(
            task=task, bank=bank, capacity=capacity, seed=seed, training=training, demos=learned.demos, expert=self.expert,
        )  # fmt: skip

    def training_name(self, task: str, memory: str, seed: int) -> str:
        """Another one when anything differs that the training comes from."""
        config = [asdict(self.training(task, memory, seed)), DEMO_DELAYS, CHECKPOINT_VERSION]
        digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:8]
        return f"{task}-{memory}-{seed}-{digest}"


def evaluation_name(evaluation: EvalConfig) -> str:
    """Another one when anything differs that is asked."""
    seed = f"-seed-{evaluation.seed}" if evaluation.seed else ""
    swapped = "-swapped" if evaluation.swap else ""
    early = f"-compute-{evaluation.compute}" if evaluation.compute < 1.0 else ""
    return f"episodes-{evaluation.episodes}-delay-{evaluation.delay}{seed}{swapped}{early}"


def command(config: TrainConfig) -> str:
    """The command that makes the same checkpoint."""
    usual = {one.name: one.default for one in options(TrainConfig)}
    changed = [f"{one.name}={one.default}" for one in options(config) if one.default != usual[one.name]]
    return " ".join(["embodied-mem train", *changed])
