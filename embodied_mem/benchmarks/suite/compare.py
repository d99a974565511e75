"""`embodied-mem bench compare A B`: two results of the suite, seed by seed."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from embodied_mem.benchmarks.results import BenchmarkResult, Row
from embodied_mem.benchmarks.suite.policies import asks_memory
from embodied_mem.benchmarks.suite.statistics import Paired, paired
from embodied_mem.errors import ConfigError
from embodied_mem.viz.report import Section, Table, Text

Episodes = dict[tuple[str, int], bool]
"""(setting without its memory and policy, seed) -> success."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One result, or one memory of it when it has several: `path` or `path@memory`."""

    name: str
    commit: str | None
    episodes: Episodes


def read_side(text: str) -> Side:
    """A result's JSON with one memory in it, or `file.json@memory` to choose one.

    Raises:
        ConfigError: no such file, no such memory, or several memories and none chosen.
    """
    path, _, memory = text.partition("@")
    if not Path(path).is_file():
        raise ConfigError(
            f"no result at {path!r}; `embodied-mem bench suite` writes outputs/bench/suite.json."
        )
    result = json.loads(Path(path).read_text(encoding="utf-8"))
    records = result.get("episodes")
    if not isinstance(records, list) or not records:
        raise ConfigError(
            f"{path} is a result of {result.get('name')!r}; compare reads results of the suite."
        )
    memories = sorted({_player(record) for record in records})
    if memory and memory not in memories:
        raise ConfigError(f"{path} has no memory {memory!r}; it has {memories}.")
    if not memory and len(memories) > 1:
        raise ConfigError(f"{path} has several memories; choose one as {path}@{memories[0]} (of {memories}).")
    chosen = [record for record in records if _player(record) == (memory or memories[0])]
    return Side(
        name=memory or memories[0], commit=result.get("commit"),
        episodes={(_setting(record["cell"]), record["seed"]): record["success"] for record in chosen},
    )  # fmt: skip


def _player(record: Mapping[str, Any]) -> str:
    """The memory, or the policy where that asks none."""
    cell = record["cell"]
    return str(cell["memory"] if asks_memory(cell["policy"]) else cell["policy"])


def run(words: Sequence[str], *, quick: bool, progress: Callable[[str], None]) -> BenchmarkResult:
    """Compares the two results that `words` name."""
    if len(words) != 2 or quick:
        raise ConfigError(
            f"bench compare takes two results and no --quick, not {list(words)}: bench compare A.json B.json."
        )
    progress("reading")
    return compare(*words)


def compare(first: str, second: str) -> BenchmarkResult:
    """Difference of successes (second minus first) by task and over all, on the seeds that both have."""
    a, b = read_side(first), read_side(second)
    shared = sorted(set(a.episodes) & set(b.episodes))
    if not shared:
        raise ConfigError(
            f"{first} and {second} share no task, setting and seed; run both with the same ones."
        )
    by_task: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for key in shared:
        by_task[json.loads(key[0])["task"]].append(key)
    groups = {**by_task, "all": shared}
    found = {
        name: paired([a.episodes[k] for k in keys], [b.episodes[k] for k in keys])
        for name, keys in groups.items()
    }
    rows = [
        Row(metric=f"compare/{name}", value=one.difference, unit="of episodes", interval=one.interval)
        for name, one in found.items()
    ]
    return BenchmarkResult(
        name="compare", rows=tuple(rows), config={"a": first, "b": second, "commit_a": a.commit, "commit_b": b.commit},
        seeds=sorted({seed for _, seed in shared}), extra={"paired": {n: asdict(p) for n, p in found.items()}},
        sections=_sections(a, b, found),
    )  # fmt: skip


def _setting(cell: Mapping[str, Any]) -> str:
    return json.dumps({key: value for key, value in sorted(cell.items()) if key not in ("memory", "policy")})


def _sections(a: Side, b: Side, found: Mapping[str, Paired]) -> list[Section]:
    rows = [
        (
            name, one.num_pairs, one.share_a, one.share_b, one.only_a, one.only_b,
            f"{one.difference:+.2f} ({one.interval[0]:+.2f} to {one.interval[1]:+.2f})", f"{one.p_value:.2g}",
        )
        for name, one in found.items()
    ]  # fmt: skip
    columns = (
        "task",
        "pairs",
        f"A: {a.name}",
        f"B: {b.name}",
        "only A",
        "only B",
        "B - A (95 %)",
        "p (McNemar)",
    )
    about = (
        "The same seeds, pair by pair. Intervals are Agresti and Min's; p is McNemar's exact two-sided test."
    )
    return [Text(text=about), Table(title="Paired differences", columns=columns, rows=rows)]
