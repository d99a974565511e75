"""The benchmark of memory tasks counts and compares as it says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

import numpy as np
import pytest

from embodied_mem.benchmarks.page import write_markdown_page
from embodied_mem.benchmarks.policy import experiments
from embodied_mem.benchmarks.policy.closed_loop import DEMO_SEEDS
from embodied_mem.benchmarks.policy.experiments import Scores
from embodied_mem.benchmarks.policy.memory_tasks import FULL, Chosen, chosen, run
from embodied_mem.benchmarks.policy.run_configs import TrainConfig
from embodied_mem.benchmarks.policy.score_book import ScoreBook
from embodied_mem.benchmarks.policy.tabletop import _right_choice, demonstrate, make_env
from embodied_mem.benchmarks.policy.task_experiments import Experiments
from embodied_mem.benchmarks.policy.task_page import same_seeds, task_sections
from embodied_mem.benchmarks.policy.task_plan import MEMORIES, Ask, Plan, command, evaluation_name, recipe
from embodied_mem.benchmarks.policy.task_rows import GOALS, above_chance, num_significant, task_rows
from embodied_mem.benchmarks.results import Row
from embodied_mem.cli import compose
from embodied_mem.errors import ConfigError, StoreError, UnknownConfigKey
from embodied_mem.policy.flow_expert import FlowExpertConfig
from embodied_mem.viz.report import Table

COMMANDS = "Commands that make the checkpoints"


def scored(successes: int, committed: int) -> Scores:
    return Scores(
        task="t",
        chance=0.25,
        episodes=200,
        successes=successes,
        committed=committed,
        failures={},
        swapped=None,
    )


def test_holm_lets_fall_what_it_should() -> None:
    assert num_significant([0.001, 0.02, 0.03]) == 1 + 1 + 1
    assert num_significant([0.02, 0.03, 0.04]) == 0
    assert num_significant([0.3, 0.001, 0.04]) == 1
    assert num_significant([]) == 0


def test_chance_is_judged_on_committed_episodes() -> None:
    assert above_chance([scored(50, 200)]) == pytest.approx(0.5, abs=0.05)
    assert above_chance([scored(90, 200)]) < 1e-6
    assert above_chance([scored(50, 60)]) < 1e-6
    assert above_chance([scored(0, 0)]) == 1.0


@pytest.mark.mujoco
def test_a_plan_is_run_whole_and_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiments, "CALIBRATION_EPISODES", 2)
    plan = Plan(
        tasks={"RearrangeBlock": recipe(2, 1, 2)}, seeds=(0,), others=("stack",), episodes=2, blind_episodes=3,
        computes=(0.6, 0.8), delays=(1, 3), delay_episodes=2, far_tasks=("RearrangeBlock",),
        expert=FlowExpertConfig(width=16, num_blocks=3),
    )  # fmt: skip
    told: list[str] = []
    book = tmp_path / "scores.jsonl"
    experiments_run = Experiments(plan, tmp_path, ScoreBook(book), told.append)
    experiments_run.run_all()
    rows = {row.metric: row for row in task_rows(experiments_run)}
    ends = [line.partition(": step ")[2] for line in told if ": step " in line]
    assert ends == ["3 of 3"] * 3  # merge, none, stack: each once, for as many steps
    told.clear()
    for folder in tmp_path.glob("RearrangeBlock-*"):
        rmtree(folder)  # what was scored is neither trained nor scored again
    again = Experiments(plan, tmp_path, ScoreBook(book), told.append)
    again.run_all()
    assert str({row.metric: row for row in task_rows(again)}) == str(
        rows
    )  # what is not known equals itself as text
    assert told == []
    lines = book.read_text().splitlines(keepends=True)
    book.write_text("".join(lines[1:]))
    known = Experiments(plan, tmp_path, ScoreBook(book), told.append, measures=False)
    known.run_all()
    partly = {row.metric: row for row in task_rows(known)}
    assert told == []
    assert "RearrangeBlock/success" not in partly  # the first line was told of it
    assert rows.keys() - partly.keys() >= {"tasks.success.mean", "RearrangeBlock/failed_recall"}
    both = rows.keys() & partly.keys()
    assert {name: rows[name] for name in both} == {name: partly[name] for name in both}
    assert [section.title for section in task_sections(known)] == [
        "What is measured", "Success with memory and without", "How episodes went", "Success over delay", "",
        "Other memories", COMMANDS,
    ]  # fmt: skip
    again = Experiments(plan, tmp_path, ScoreBook(book), told.append)
    again.run_all()
    assert "3 of 3" in [line.partition(": step ")[2] for line in told]  # the checkpoint is gone
    assert ScoreBook(book).path.read_text() == "".join([*lines[1:], lines[0]])  # and the same again
    assert [section.title for section in task_sections(again)] == [
        "What is measured", "Success with memory and without", "How episodes went", "Success over delay", "",
        "Success over compute", "", "Other memories", COMMANDS,
    ]  # fmt: skip
    assert {"RearrangeBlock/success", "RearrangeBlock/stack", "RearrangeBlock/stack_delay_3"} <= rows.keys()
    assert "RearrangeBlock/delay_3" in rows
    (others,) = (one for one in task_sections(again) if one.title == "Other memories")
    assert isinstance(others, Table)
    assert [row[0] for row in others.rows] == ["RearrangeBlock", "RearrangeBlock, 3 steps"]
    assert all(all(row) for row in others.rows)
    assert rows["tasks.success.mean"].goal == GOALS["tasks.success.mean"]
    assert rows["RearrangeBlock/success"].baseline == 0.5
    assert rows["tasks.early_exit.compute"].value < 1.0
    assert {"tasks/delay_3/loss", "RearrangeBlock/early_exit_0.8_compute"} <= rows.keys()
    assert rows["tasks/without_memory/committed"].value <= 3
    failures = [rows[f"RearrangeBlock/failed_{name}"].value for name in ("recall", "motor", "no_commit")]
    assert sum(failures) == 2 * (1 - rows["RearrangeBlock/success"].value)
    assert len(experiments_run.trainings) == 3


def test_each_training_names_the_command_that_makes_its_checkpoint() -> None:
    for task in FULL.tasks:
        for memory in MEMORIES:
            wanted = FULL.training(task, memory, 2)
            program, verb, *overrides = command(wanted).split()
            assert (program, verb) == ("embodied-mem", "train")
            assert compose.load(TrainConfig, "train", overrides) == wanted


def test_no_two_seeds_play_the_same_episodes() -> None:
    asked = [one.evaluation for one in FULL.planned() if (one.task, one.memory) == ("CountBlinks", "merge")]
    assert (
        len(asked) == 3 * (3 + len(FULL.delays)) + 2
    )  # two more parts of the compute are asked of the first seed
    assert len({evaluation_name(one) for one in asked}) == len(asked)
    plain = [one.seed for one in asked if not one.swap and one.compute == 1.0 and one.delay == 2]
    assert plain == [0, 1, 2]


def test_a_book_keeps_scores_and_refuses_what_is_none(tmp_path: Path) -> None:
    path = tmp_path / "new" / "scores.jsonl"
    book, other = ScoreBook(path), ScoreBook(path)
    book.add("training", "plain", scored(3, 4))
    other.add("training", "swapped", scored(1, 4))
    book.add("training", "plain", scored(2, 4))
    again = ScoreBook(path)
    assert again.find("training", "plain") == scored(2, 4)
    assert again.find("training", "swapped") == scored(1, 4)
    assert again.find("another", "plain") is None
    (commit,) = again.commits()
    assert {json.loads(line)["commit"] for line in path.read_text().splitlines()} == {commit}
    for wrong in ("{", "[]", '{"training": "t", "evaluation": "e", "scores": {"task": "t"}}'):
        path.write_text(wrong + "\n")
        with pytest.raises(StoreError, match="line 1"):
            ScoreBook(path)
    path.write_bytes(b"\xff\n")
    for no_book in (path, tmp_path):
        with pytest.raises(StoreError, match="is no book"):
            ScoreBook(no_book)


def test_the_scores_that_are_kept_are_what_this_code_would_measure() -> None:
    """Where this fails, an option changed what is trained: measure again, or take the lines out and their figures out of the docs."""
    wanted = {
        (FULL.training_name(one.task, one.memory, one.seed), evaluation_name(one.evaluation))
        for one in FULL.planned()
    }
    kept = Path(__file__).parents[2] / "docs" / "results" / "policy-tasks.jsonl"
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    names = [(line["training"], line["evaluation"]) for line in lines]
    assert names
    assert set(names) <= wanted
    assert len(set(names)) == len(names)
    assert not any(str(line["commit"]).endswith(("None", "-dirty")) for line in lines)


def test_the_page_of_the_docs_tells_the_scores_that_are_kept(tmp_path: Path) -> None:
    """Where this fails: embodied-mem bench policy-tasks scores=docs/results/policy-tasks.jsonl measure=false --markdown docs/results/policy-tasks.md"""
    results = Path(__file__).parents[2] / "docs" / "results"
    told = run(
        [f"scores={results / 'policy-tasks.jsonl'}", "measure=false"], quick=False, progress=lambda _: None
    )
    page = write_markdown_page(told, tmp_path / "policy-tasks.md")
    assert page.read_text() == (results / "policy-tasks.md").read_text()
    assert {file.name for file in tmp_path.iterdir()} <= {file.name for file in results.iterdir()}


def test_words_take_a_part_of_the_plan(tmp_path: Path) -> None:
    usual = Chosen(FULL, tmp_path)
    plan, path, measure = chosen(["task=CountBlinks,RearrangeBlock", "seeds=2,1"], usual)
    assert (list(plan.tasks), plan.seeds, path) == (["RearrangeBlock", "CountBlinks"], (1, 2), tmp_path)
    assert plan.is_part
    assert (plan.others, plan.computes) == ((), FULL.computes[:1])  # what the first seed alone is asked
    plan, path, measure = chosen(["seeds=0", "scores=book.jsonl", "measure=false"], usual)
    assert (plan.others, plan.computes, path) == (FULL.others, FULL.computes, Path("book.jsonl"))
    assert not measure
    assert chosen([], usual) == usual
    for wrong in ("task=CountBlink", "seeds=3", "seeds=", "measure=no"):
        with pytest.raises(ConfigError, match="there is no"):
            chosen([wrong], usual)
    for wrong in ("scores=", f"scores={tmp_path}"):
        with pytest.raises(ConfigError, match="names no file"):
            chosen([wrong], usual)
    with pytest.raises(ConfigError, match="twice"):
        chosen(["task=CountBlinks", "task=PutBlockBack"], usual)
    for wrong in ("tasks=CountBlinks", "task"):
        with pytest.raises(UnknownConfigKey, match="task"):
            chosen([wrong], usual)


def test_what_is_shown_must_be_there_and_quick_runs_keep_to_themselves(tmp_path: Path) -> None:
    words = [f"scores={tmp_path}/typo.jsonl", "measure=false"]
    with pytest.raises(StoreError, match="no scores in"):
        run(words, quick=False, progress=lambda _: None)
    with pytest.raises(ConfigError, match="scores of its own"):
        run(words, quick=True, progress=lambda _: None)


def test_rows_over_tasks_have_goals_only_where_every_seed_is_known(tmp_path: Path) -> None:
    book = ScoreBook(tmp_path / "scores.jsonl")
    plan = replace(FULL, tasks={"CountBlinks": FULL.tasks["CountBlinks"]}, seeds=(0, 1))
    known = Experiments(plan, tmp_path, book, lambda _: None, measures=False)

    def add(memory: str, seed: int, ask: Ask, scores: Scores) -> None:
        book.add(plan.training_name("CountBlinks", memory, seed), evaluation_name(ask(seed)), scores)

    def rows() -> dict[str, Row]:
        return {row.metric: row for row in task_rows(known)}

    assert rows() == {}
    add("merge", 0, plan.late(1), scored(180, 200))
    add("merge", 1, plan.late(1), scored(200, 200))
    add("merge", 0, plan.late(512), scored(190, 200))
    assert rows()["tasks/delay_512/loss"].value == pytest.approx(
        (180 - 190) / 200
    )  # of the seed that has both
    assert rows()["CountBlinks/delay_1"].value == pytest.approx(380 / 400)
    add("merge", 1, plan.late(512), scored(160, 200))
    assert rows()["tasks.delay_512.loss"].value == pytest.approx(30 / 400)
    assert rows()["tasks.delay_512.loss"].ok is False
    for seed in plan.seeds:
        add("merge", seed, plan.early(0.6), scored(200, 200))
    assert rows()["tasks.early_exit.compute"].ok is False
    assert not any(
        "early_exit" in name and "loss" in name for name in rows()
    )  # of what it would be is unknown
    add("merge", 0, plan.plain, scored(190, 200))
    assert rows()["tasks/early_exit/loss"].value == pytest.approx(-10 / 200)
    for seed in plan.seeds:
        add("none", seed, plan.blind, scored(100, 400))
    assert rows()["CountBlinks/without_memory_committed"].value == 800
    assert rows()["tasks.without_memory.above_chance"].ok
    assert (
        rows()["tasks/without_memory/committed"].value == 800
    )  # of 400 episodes, where 600 could not be committed
    part = Experiments(replace(plan, is_part=True), tmp_path, book, lambda _: None, measures=False)
    assert all(row.goal is None for row in task_rows(part))


def test_points_of_a_curve_are_of_the_same_seeds(tmp_path: Path) -> None:
    book = ScoreBook(tmp_path / "scores.jsonl")
    known = Experiments(FULL, tmp_path, book, lambda _: None, measures=False)
    for seed, delays in ((0, (1, 32)), (1, (1, 32, 512)), (2, (1, 512))):
        for delay in delays:
            evaluation = evaluation_name(FULL.late(delay)(seed))
            book.add(FULL.training_name("CountBlinks", "merge", seed), evaluation, scored(100 + seed, 200))
    points = same_seeds(known, "CountBlinks", [FULL.late(delay) for delay in FULL.delays])
    assert points == [[scored(101, 200)]] * 3
    assert same_seeds(known, "CountBlinks", [FULL.early(0.45), FULL.plain]) == []


@pytest.mark.mujoco
def test_the_teacher_knows_where_in_the_picture_the_block_is_that_it_picks() -> None:
    (episode,) = demonstrate("PutBlockBack", [DEMO_SEEDS + 1])
    column, row = (episode.places[0] * episode.images.shape[1]).astype(int)
    red, green, blue = episode.images[0][row, column].astype(int)
    assert red > 2 * max(green, blue)
    (watched,) = demonstrate("ShellGameSwap", [DEMO_SEEDS])
    assert np.isfinite(watched.places[: watched.num_before]).all()
    assert not np.isfinite(watched.places[watched.num_before : -1]).any()  # the gate shows nothing


@pytest.mark.mujoco
def test_the_right_choice_is_where_the_ball_went_not_where_it_was() -> None:
    env = make_env("ShellGameSwap")
    rights, starts = [], []
    for seed in range(6):
        env.reset(seed=seed)
        episode = env.unwrapped.episode
        rights.append(_right_choice(episode))
        starts.append(episode.hidden.index)
        assert episode.task.final_slot(episode.layout, episode.hidden) == rights[-1]
    env.close()
    assert rights != starts
