"""What `embodied-mem bench suite` runs: `key=value` words, every combination of the lists among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path

from embodied_mem.benchmarks.suite.play_out import MEMORIES, Cell
from embodied_mem.benchmarks.suite.policies import asks_memory, can_act_on, check_policy
from embodied_mem.benchmarks.suite.skills import SKILLS
from embodied_mem.benchmarks.words import check_known, read_pair
from embodied_mem.envs.mujoco.mobile import HOME_TASK_NAMES
from embodied_mem.errors import ConfigError

TASK_GROUPS = {"table": tuple(SKILLS), "home": HOME_TASK_NAMES}
QUICK_SEEDS, SEEDS = tuple(range(3)), tuple(range(50))
QUICK_MEMORIES = ("none", "append_only", "ours")
DEFAULT_MEMORIES = ("none", "frame_stack", "last_seen", "append_only", "ours", "ours_history", "ours_now")


@dataclass(frozen=True, kw_only=True)
class SuiteSettings:
    """Lists are crossed with one another. seeds: a list or `begin:end`. processes: how many run at once.

    A task is a name, or "table" or "home" for all there. A memory is a name or `module:attribute`; a policy "skills", "expert", "random", a checkpoint (*.pt) or
    `module:attribute`. strict=False: the published rules, which tasks in a home do not have. Experts, random actions and checkpoints ask no memory of the suite's.
    """

    task: tuple[str, ...] = (*SKILLS, *HOME_TASK_NAMES)
    policy: tuple[str, ...] = ("skills",)
    memory: tuple[str, ...] = DEFAULT_MEMORIES
    delay: tuple[int, ...] = (2,)
    interference: tuple[int, ...] = (0,)
    noise: tuple[float, ...] = (0.0,)
    strict: bool = True
    seeds: tuple[int, ...] = SEEDS
    processes: int = 2
    out: Path = Path("outputs/bench/suite")

    def __post_init__(self) -> None:
        tasks = [task for name in self.task for task in TASK_GROUPS.get(name, (name,))]
        object.__setattr__(self, "task", tuple(dict.fromkeys(tasks)))
        check_known("task", self.task, (*SKILLS, *HOME_TASK_NAMES))
        for name in self.policy:
            check_policy(name)
        check_known("memory", [name for name in self.memory if ":" not in name], MEMORIES)
        if self.processes < 1 or not self.seeds:
            raise ConfigError(
                f"processes={self.processes} and {len(self.seeds)} seeds; both must be at least 1, as in seeds=0:50."
            )

    def cells(self) -> list[Cell]:
        """Every combination. Policies that ask no memory run once, with none."""
        found: dict[Cell, None] = {}
        for task, policy, memory, delay, scenes, noise in product(
            self.task, self.policy, self.memory, self.delay, self.interference, self.noise
        ):
            if not can_act_on(policy, task):
                continue
            found[
                Cell(
                    task=task, policy=policy, memory=memory if asks_memory(policy) else "none",
                    delay=delay, interference=scenes, noise=noise,
                    strict=self.strict or task in HOME_TASK_NAMES,
                )
            ] = None  # fmt: skip
        if not found:
            raise ConfigError(
                f"policy {self.policy} is for none of the tasks {self.task}; name the task it was trained on."
            )
        return list(found)


def parse_settings(words: Sequence[str], *, quick: bool = False) -> SuiteSettings:
    """Settings from `key=value` words.

    Raises:
        UnknownConfigKey: a key that there is not, with the nearest one.
        ConfigError: a value that cannot be read.
    """
    known = [field.name for field in fields(SuiteSettings)]
    values: dict[str, object] = {"seeds": QUICK_SEEDS, "memory": QUICK_MEMORIES} if quick else {}
    for word in words:
        key, text = read_pair(word, "suite", known)
        values[key] = _value(key, text)
    return SuiteSettings(**values)  # type: ignore[arg-type]


def _value(key: str, text: str) -> object:
    try:
        match key:
            case "seeds":
                return _seeds(text)
            case "delay" | "interference":
                return tuple(int(part) for part in text.split(","))
            case "noise":
                return tuple(float(part) for part in text.split(","))
            case "processes":
                return int(text)
            case "strict":
                return {"true": True, "false": False}[text.lower()]
            case "out":
                return Path(text)
            case _:
                return tuple(text.split(","))
    except (ValueError, KeyError) as error:
        raise ConfigError(f"{key}={text!r} cannot be read; see `embodied-mem bench --help`.") from error


def _seeds(text: str) -> tuple[int, ...]:
    begin, is_range, end = text.partition(":")
    return tuple(range(int(begin), int(end))) if is_range else tuple(int(part) for part in text.split(","))
