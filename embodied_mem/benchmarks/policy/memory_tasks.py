"""`embodied-mem bench policy-tasks`: our policy trained and run on memory tasks, with each memory and without.

Everything is made here by the same functions as `embodied-mem train` and `embodied-mem eval`: demonstrations, checkpoints (under
outputs/bench/policy-tasks, gone on with when they exist) and closed-loop episodes on seeds that no demonstration has.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from embodied_mem.benchmarks.policy.experiments import Scores, Teacher, run_evaluation, run_training, wilson
from embodied_mem.benchmarks.policy.run_configs import EvalConfig, TrainConfig
from embodied_mem.benchmarks.policy.workplaces import DEMO_DELAYS
from embodied_mem.benchmarks.results import BenchmarkResult, Goal, Row, measured
from embodied_mem.policy.checkpoints import CHECKPOINT_VERSION
from embodied_mem.policy.flow_expert import FlowExpertConfig
from embodied_mem.policy.memory_policy import BankKind
from embodied_mem.policy.training import Progress, TrainingConfig

GOALS = {
    "tasks.success.mean": Goal(op=">=", value=0.90),
    "tasks.success.worst": Goal(op=">=", value=0.75),
    "tasks.without_memory.above_chance": Goal(op="<=", value=0.0),
    "tasks.swapped.followed": Goal(op=">=", value=0.90),
    "tasks.delay_512.loss": Goal(op="<=", value=0.03),
    "tasks.early_exit.loss": Goal(op="<=", value=0.01),
    "tasks.early_exit.compute": Goal(op="<=", value=0.60),
}
FOLDER = Path("outputs/bench/policy-tasks")
SIGNIFICANT = 0.05
TOLD_EVERY = 100
"""Steps of an optimiser."""
COMPUTE = 0.6
"""What part of the expert's blocks decisions may run on average."""


CAPACITY = 16
MEMORIES: dict[str, tuple[BankKind, int]] = {
    **{bank: (bank, CAPACITY) for bank in ("merge", "segment", "select", "fifo", "recent", "gated", "none")},
    "stack": ("fifo", 3),
}
"""Every memory's bank and capacity; a stack of four pictures is the present one and the last three."""
WITHOUT_LESSONS = ("gated", "none")
"""They keep no entries to think over, and practise for as many steps more."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a task is learned: how many demonstrations, and the training."""

    demos: int
    training: TrainingConfig


def recipe(demos: int, lessons: int, steps: int, naming: int = TrainingConfig.naming) -> Recipe:
    """A recipe with everything else as it is by default."""
    return Recipe(demos=demos, training=TrainingConfig(naming=naming, lessons=lessons, steps=steps))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is run: tasks with their recipes, training seeds, `episodes` a run and `delay_episodes` where they are long; other memories beside
    `merge` and `none`, which are trained from the first seed alone; the delays between cue and choice; and how large an expert is.
    """

    tasks: dict[str, Recipe]
    seeds: tuple[int, ...]
    others: tuple[str, ...]
    episodes: int
    delays: tuple[int, ...]
    delay_episodes: int
    expert: FlowExpertConfig = field(default_factory=FlowExpertConfig)


FULL = Plan(
    tasks={
        "RearrangeBlock": recipe(300, 400, 250), "PutBlockBack": recipe(300, 400, 500), "ReopenDrawer": recipe(300, 400, 500),
        "RememberColor3": recipe(300, 400, 500), "RememberColor5": recipe(1000, 500, 800), "RememberColor9": recipe(1000, 500, 1200),
        "ShellGameSwap": recipe(1000, 1000, 300), "CountBlinks": recipe(1000, 500, 800),
        "FetchSeenObject": recipe(1000, 600, 300, naming=2000),
    },
    seeds=(0, 1, 2), others=("segment", "select", "fifo", "recent", "stack", "gated"), episodes=200,
    delays=(1, 32, 512), delay_episodes=40,
)  # fmt: skip
QUICK = Plan(
    tasks={"RearrangeBlock": recipe(300, 400, 200)}, seeds=(0,), others=(), episodes=40, delays=(64,), delay_episodes=40,
)  # fmt: skip


def run(*, quick: bool, progress: Callable[[str], None]) -> BenchmarkResult:
    """The rows of the table above for every task; `quick` takes one task, a short training and a short delay."""
    plan = QUICK if quick else FULL
    rows = task_rows(plan, FOLDER / ("quick" if quick else "full"), progress)
    config = {"quick": quick, **{name: value for name, value in asdict(plan).items() if name != "seeds"}}
    return BenchmarkResult(name="policy-tasks", rows=tuple(rows), config=config, seeds=plan.seeds)


def task_rows(plan: Plan, folder: Path, progress: Callable[[str], None]) -> list[Row]:
    """Train and run everything that the plan says, and tell it."""
    experiments = Experiments(plan, folder, progress)
    experiments.run_all()
    return [*_over_tasks(experiments), *(row for task in plan.tasks for row in _of_task(experiments, task))]


class Experiments:
    """The plan's trainings and evaluations. What was done before is read from `folder`, so that a run that was killed goes on."""

    def __init__(self, plan: Plan, folder: Path, progress: Callable[[str], None]) -> None:
        self.plan, self.folder, self.progress = plan, folder, progress
        self.teacher = Teacher()

    def run_all(self) -> None:
        """Everything of the plan, what tells most first; what learns from the same demonstrations, one after the other."""
        plan = self.plan
        for seed in plan.seeds:
            for task in plan.tasks:
                for evaluation in (self.plain, self.swapped, self.early, *map(self.late, plan.delays)):
                    self.scores(task, "merge", seed, evaluation)
                self.scores(task, "none", seed, self.plain)
        for task in plan.tasks:
            for other in plan.others:
                self.scores(task, other, plan.seeds[0], self.plain)

    @property
    def plain(self) -> EvalConfig:
        """Episodes as they are."""
        return EvalConfig(episodes=self.plan.episodes)

    @property
    def swapped(self) -> EvalConfig:
        """Two episodes' memories exchanged before the choice."""
        return replace(self.plain, swap=True)

    @property
    def early(self) -> EvalConfig:
        """Leaving the expert early."""
        return replace(self.plain, compute=COMPUTE)

    def late(self, delay: int) -> EvalConfig:
        """`delay` steps between cue and choice."""
        return EvalConfig(episodes=self.plan.delay_episodes, delay=delay)

    def of_seeds(self, task: str, memory: str, evaluation: EvalConfig) -> list[Scores]:
        """The scores of every training seed."""
        return [self.scores(task, memory, seed, evaluation) for seed in self.plan.seeds]

    def scores(self, task: str, memory: str, seed: int, evaluation: EvalConfig) -> Scores:
        """One evaluation of one training. Scores lie beside the checkpoint, which is trained where there is none."""
        config = self._training(task, memory, seed)
        out, what = Path(config.out), f"{task}, {memory}, seed {seed}"
        path = out / f"{_name(evaluation)}.json"
        if not (out / "curve.json").exists():
            for old in out.glob("episodes-*.json"):  # of a policy that is no more
                old.unlink()
            run_training(config, teacher=self.teacher, on_step=partial(_tell, self.progress, what))
        if path.exists():
            return Scores(**json.loads(path.read_text()))
        found = run_evaluation(replace(evaluation, checkpoint=str(out / "checkpoint.pt")))
        partial_path = path.with_suffix(".partial")
        partial_path.write_text(json.dumps(asdict(found)) + "\n")
        partial_path.replace(path)
        self.progress(f"{what}, {_name(evaluation)}: {_told(found)}")
        return found

    def _training(self, task: str, memory: str, seed: int) -> TrainConfig:
        (bank, capacity), learned = MEMORIES[memory], self.plan.tasks[task]
        training = learned.training
        if bank in WITHOUT_LESSONS:
            training = replace(training, lessons=0, steps=training.lessons + training.steps)
        config = TrainConfig(
            task=task, bank=bank, capacity=capacity, seed=seed, training=training, demos=learned.demos, expert=self.plan.expert,
        )  # fmt: skip
        return replace(config, out=str(self.folder / f"{task}-{memory}-{seed}-{_digest(config)}"))


def _digest(config: TrainConfig) -> str:
    """Short, and another one when anything differs that a training comes from."""
    options = json.dumps([asdict(config), DEMO_DELAYS, CHECKPOINT_VERSION], sort_keys=True)
    return hashlib.sha256(options.encode()).hexdigest()[:8]


def _over_tasks(experiments: Experiments) -> list[Row]:
    """The rows that have goals."""
    plan = experiments.plan

    def of_tasks(memory: str, evaluation: EvalConfig) -> list[list[Scores]]:
        return [experiments.of_seeds(task, memory, evaluation) for task in plan.tasks]

    plain, early = of_tasks("merge", experiments.plain), of_tasks("merge", experiments.early)
    shares = [_share(runs) for runs in plain]
    followed = [one.swapped for runs in of_tasks("merge", experiments.swapped) for one in runs]
    p_values = [above_chance(runs) for runs in of_tasks("none", experiments.plain)]
    first, last = (of_tasks("merge", experiments.late(delay)) for delay in (plan.delays[0], plan.delays[-1]))
    found = {
        "tasks.success.mean": float(np.mean(shares)),
        "tasks.success.worst": min(shares),
        "tasks.without_memory.above_chance": num_significant(p_values),
        "tasks.swapped.followed": _mean_known(followed),
        "tasks.early_exit.loss": float(np.mean(shares) - np.mean([_share(runs) for runs in early])),
        "tasks.early_exit.compute": float(np.mean([one.compute for runs in early for one in runs])),
    }
    if len(plan.delays) > 1:
        name = f"tasks.delay_{plan.delays[-1]}.loss"
        loss = np.mean([_share(runs) for runs in first]) - np.mean([_share(runs) for runs in last])
        found[name if name in GOALS else name.replace(".", "/")] = float(loss)
    return [measured(GOALS, name, value) for name, value in found.items()]


def _of_task(experiments: Experiments, task: str) -> list[Row]:
    """A task's rows."""
    plan = experiments.plan
    runs, alone = (experiments.of_seeds(task, memory, experiments.plain) for memory in ("merge", "none"))
    return [
        measured(GOALS, f"{task}/success", _share(runs), interval=_interval(runs), baseline=runs[0].chance),
        measured(GOALS, f"{task}/without_memory_of_committed", _committed_share(alone), baseline=alone[0].chance),
        *(
            measured(GOALS, f"{task}/delay_{delay}", _share(experiments.of_seeds(task, "merge", experiments.late(delay))))
            for delay in plan.delays
        ),
        *(
            measured(GOALS, f"{task}/failed_{name}", sum(one.failures.get(name, 0) for one in runs))
            for name in ("recall", "motor", "no_commit")
        ),
        *(
            measured(GOALS, f"{task}/{other}", _share([experiments.scores(task, other, plan.seeds[0], experiments.plain)]))
            for other in plan.others
        ),
    ]  # fmt: skip


def above_chance(runs: Sequence[Scores]) -> float:
    """The one-sided binomial probability of so many right among the committed episodes by chance."""
    from scipy.stats import binomtest

    successes, committed = sum(one.successes for one in runs), sum(one.committed for one in runs)
    if committed == 0:
        return 1.0
    return float(binomtest(successes, committed, runs[0].chance, alternative="greater").pvalue)


def num_significant(p_values: Sequence[float], level: float = SIGNIFICANT) -> int:
    """How many hypotheses fall, by Holm's step-down procedure."""
    number = 0
    for rank, p in enumerate(sorted(p_values)):
        if p > level / (len(p_values) - rank):
            break
        number += 1
    return number


def _name(evaluation: EvalConfig) -> str:
    swapped = "-swapped" if evaluation.swap else ""
    early = f"-compute-{evaluation.compute}" if evaluation.compute < 1.0 else ""
    return f"episodes-{evaluation.episodes}-delay-{evaluation.delay}{swapped}{early}"


def _told(found: Scores) -> str:
    """An evaluation in a line."""
    told = f"{found.successes / found.episodes:.3f}"
    if found.swapped is not None:
        told += f", swapped {found.swapped:.3f}"
    return told + (f", compute {found.compute:.3f}" if found.compute < 1.0 else "")


def _tell(progress: Callable[[str], None], what: str, at: Progress) -> None:
    """Now and then: where there is no terminal, each time is a line."""
    if at.step % TOLD_EVERY == 0 or at.step == at.num_steps:
        progress(f"{what}, {at.what}: step {at.step} of {at.num_steps}")


def _share(runs: Sequence[Scores]) -> float:
    return sum(one.successes for one in runs) / sum(one.episodes for one in runs)


def _committed_share(runs: Sequence[Scores]) -> float:
    return sum(one.successes for one in runs) / max(1, sum(one.committed for one in runs))


def _mean_known(shares: Sequence[float | None]) -> float:
    """The mean of those that are known; NaN where none is."""
    known = [one for one in shares if one is not None and np.isfinite(one)]
    return float(np.mean(known)) if known else float("nan")


def _interval(runs: Sequence[Scores]) -> tuple[float, float]:
    return wilson(sum(one.successes for one in runs), sum(one.episodes for one in runs))
