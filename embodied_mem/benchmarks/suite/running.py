"""Runs the suite's episodes in several processes and keeps each outcome at once, so that a killed run goes on later."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from embodied_mem.benchmarks.results import commit
from embodied_mem.benchmarks.suite.play_out import Cell, Outcome, play_out
from embodied_mem.errors import ConfigError

Done = dict[Cell, dict[int, Outcome]]
OnEpisode = Callable[[int, int], None]
"""Told how many episodes are done, of how many."""
SEEDS_A_JOB = 10
EPISODES_FILE, RUN_FILE = "episodes.jsonl", "run.json"


def run_cells(
    cells: Sequence[Cell], seeds: Sequence[int], folder: Path, *, processes: int, on_episode: OnEpisode
) -> Done:
    """Outcomes of every cell and seed: those already in `folder`, and the rest, run now.

    Raises:
        ConfigError: the folder has episodes of another commit.
    """
    _claim(folder)
    done = read_episodes(folder)
    wanted = [(cell, tuple(s for s in seeds if s not in done.get(cell, {}))) for cell in cells]
    jobs = [
        (cell, missing[i : i + SEEDS_A_JOB])
        for cell, missing in wanted
        for i in range(0, len(missing), SEEDS_A_JOB)
    ]
    total = len(cells) * len(seeds)
    num_done = total - sum(len(missing) for _, missing in wanted)
    on_episode(num_done, total)
    with (folder / EPISODES_FILE).open("a", encoding="utf-8") as file:
        for cell, outcomes in _outcomes(jobs, processes):
            for outcome in outcomes:
                file.write(json.dumps({"cell": asdict(cell), **outcome.as_json()}) + "\n")
                done.setdefault(cell, {})[outcome.seed] = outcome
            file.flush()
            os.fsync(file.fileno())
            num_done += len(outcomes)
            on_episode(num_done, total)
    return {cell: {seed: done[cell][seed] for seed in seeds} for cell in cells}


def read_episodes(folder: Path) -> Done:
    """What a run wrote so far; a last line that a kill cut short is left out."""
    path = folder / EPISODES_FILE
    done: Done = {}
    for line in _whole_lines(path) if path.exists() else ():
        record = json.loads(line)
        cell = Cell(**record.pop("cell"))
        done.setdefault(cell, {})[record["seed"]] = Outcome(**record)
    return done


def _whole_lines(path: Path) -> Iterable[str]:
    text = path.read_text(encoding="utf-8")
    whole, _, rest = text.rpartition("\n")
    if rest:
        path.write_text(whole + "\n" if whole else "", encoding="utf-8")
    return whole.splitlines()


def _claim(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path, mine = folder / RUN_FILE, {"commit": commit()}
    if path.exists():
        theirs = json.loads(path.read_text(encoding="utf-8"))
        if theirs != mine:
            raise ConfigError(
                f"{folder} has episodes of commit {theirs['commit']}, this is {mine['commit']}; name another folder "
                "with out=..., or remove that one."
            )
    path.write_text(json.dumps(mine), encoding="utf-8")


def _outcomes(
    jobs: Sequence[tuple[Cell, tuple[int, ...]]], processes: int
) -> Iterator[tuple[Cell, list[Outcome]]]:
    if processes == 1 or len(jobs) <= 1:
        yield from map(_play, jobs)
        return
    # Spawned, because a renderer must not be forked.
    with multiprocessing.get_context("spawn").Pool(min(processes, len(jobs))) as pool:
        yield from pool.imap_unordered(_play, jobs)


def _play(job: tuple[Cell, tuple[int, ...]]) -> tuple[Cell, list[Outcome]]:
    cell, seeds = job
    return cell, list(play_out(cell, seeds))


def as_records(done: Done) -> list[dict[str, Any]]:
    """Every episode as plain values, for the result's JSON."""
    return [
        {"cell": asdict(cell), **outcome.as_json()}
        for cell, outcomes in done.items()
        for outcome in outcomes.values()
    ]
