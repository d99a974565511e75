"""The suite: memories behind one protocol, runs that go on after a kill, results that can be compared."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from embodied_mem.benchmarks.suite.protocol import Sighting, TaskMemory
from embodied_mem.benchmarks.suite.statistics import mcnemar, paired, wilson
from embodied_mem.errors import ConfigError, UnknownConfigKey

SEEDS = tuple(range(6))
INSTALLED_MEMORIES = [
    "frame_stack", "last_seen", "append_only", "ours", "ours_history", "ours_now", *(["emem"] if find_spec("emem") else []),
]  # fmt: skip
ALL_TASKS_SOLVED_BY_A_LIST = (
    "PutBlockBack", "RearrangeBlock", "ReopenDrawer", "RememberColor3", "RememberColor5", "RememberColor9",
    "ShellGameSwap", "CountBlinks", "ChainOfColors3", "ChainOfColors5", "SeqPushButtons", "LiftNTimes", "TakeItBack",
    "HiddenInDrawer", "PlaceAfterButton",
)  # fmt: skip

successes = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)
HOME_TASKS = ("FetchSeenObject", "MovedObject", "WhatChanged", "SearchNoRevisit", "TrackPerson")
WITHOUT_CUE = ("LiftNTimes", "SearchNoRevisit")


def test_wilsons_interval_is_the_published_one() -> None:
    # Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662; 0 of 20 gives 0 to 0.1611.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson(20, 20)[1] == 1.0
    assert wilson(0, 0) == (0.0, 1.0)


def test_paired_runs_are_compared_by_the_pairs_that_differ() -> None:
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(1, 9) == pytest.approx(2 * 11 / 1024)
    found = paired([True] * 10 + [False] * 10, [True] * 10 + [True] * 8 + [False] * 2)
    assert (found.only_a, found.only_b, found.difference) == (0, 8, 0.4)
    assert found.interval[0] > 0
    assert found.p_value == pytest.approx(2 / 256)


def test_following_is_told_by_the_published_rates_and_other_tasks_have_none() -> None:
    from embodied_mem.benchmarks.suite.play_out import Cell, Outcome
    from embodied_mem.benchmarks.suite.report import tracking_rows

    def followed(seed: int, steps: int, collision: float) -> Outcome:
        tracking = {"success": 1.0, "following_step": steps, "total_step": 70, "collision": collision}
        return Outcome(seed=seed, success=True, failure="", num_steps=70, tracking=tracking)

    cell = Cell(task="TrackPerson", policy="skills", memory="ours")
    rows = tracking_rows(cell, {0: followed(0, 70, 0.0), 1: followed(1, 35, 1.0)})
    assert {row.metric: row.value for row in rows} == {
        "suite.TrackPerson.skills.ours/tracking_rate": 0.75,
        "suite.TrackPerson.skills.ours/collision_rate": 0.5,
    }
    assert tracking_rows(cell, {0: Outcome(seed=0, success=True, failure="", num_steps=3)}) == []


@given(pairs=successes)
def test_paired_statistics_are_those_of_scipy_and_of_the_table_of_four_outcomes(
    pairs: list[tuple[bool, bool]],
) -> None:
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    found = paired(first, second)
    table = np.array([[sum(p == (i, j) for p in pairs) for j in (False, True)] for i in (False, True)])
    only_a, only_b = int(table[1, 0]), int(table[0, 1])
    assert (found.num_pairs, found.only_a, found.only_b) == (len(pairs), only_a, only_b)
    assert found.difference == pytest.approx(np.mean(second) - np.mean(first))
    if only_a + only_b:
        assert found.p_value == pytest.approx(stats.binomtest(only_a, only_a + only_b, 0.5).pvalue)
    # Agresti and Min: Wald's interval for the mean of B - A, with half a pair more in each cell of the table.
    values, weights = np.array([[0.0, 1.0], [-1.0, 0.0]]), table + 0.5
    n = weights.sum()
    mean = (values * weights).sum() / n
    spread = stats.norm.ppf(0.975) * np.sqrt((((values - mean) ** 2) * weights).sum() / n / n)
    assert found.interval == pytest.approx((max(-1.0, mean - spread), min(1.0, mean + spread)), abs=1e-9)


@given(right=st.integers(0, 80), more=st.integers(0, 80))
def test_wilsons_interval_is_scipys(right: int, more: int) -> None:
    if right + more:
        low, high = stats.binomtest(right, right + more).proportion_ci(method="wilson")
        assert wilson(right, right + more) == pytest.approx((low, high), abs=1e-9)


@pytest.mark.mujoco
class TestPlaying:
    @pytest.mark.parametrize("task", ALL_TASKS_SOLVED_BY_A_LIST)
    def test_the_example_of_the_docs_solves_every_task_and_no_memory_does_not(
        self, task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from embodied_mem.benchmarks.suite import play_out as suite
        from embodied_mem.benchmarks.suite.skills import SKILLS

        assert set(SKILLS) == set(ALL_TASKS_SOLVED_BY_A_LIST)
        (tmp_path / "notebook_of_the_docs.py").write_text(example_of_the_docs(), encoding="utf-8")
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "notebook_of_the_docs", raising=False)
        cell = suite.Cell(task=task, policy="skills", memory="notebook_of_the_docs:Notebook")
        seeds = SEEDS[:4]
        with_list = list(suite.play_out(cell, seeds))
        without = list(suite.play_out(replace(cell, memory="none"), seeds))
        assert sum(outcome.success for outcome in with_list) == len(seeds)
        assert sum(outcome.success for outcome in without) < len(seeds)

    @pytest.mark.parametrize("task", ["FetchSeenObject", "MovedObject", "WhatChanged", "SearchNoRevisit"])
    def test_a_list_of_everything_solves_the_tasks_in_a_home_and_no_memory_does_not(self, task: str) -> None:
        from embodied_mem.benchmarks.suite import play_out as suite

        cell = suite.Cell(task=task, policy="skills", memory="append_only", interference=1)
        assert all(outcome.success for outcome in suite.play_out(cell, (1, 3)))
        assert not all(outcome.success for outcome in suite.play_out(replace(cell, memory="none"), (1, 3)))

    def test_who_was_shown_is_followed_by_the_colour_that_a_memory_keeps(self) -> None:
        from embodied_mem.benchmarks.suite import play_out as suite

        cell = suite.Cell(task="TrackPerson", policy="skills", memory="append_only", interference=1)
        (outcome,) = suite.play_out(cell, (1,))
        assert outcome.success
        assert outcome.tracking is not None
        assert 0.5 < outcome.tracking["following_step"] / outcome.tracking["total_step"] <= 1.0

    def test_who_went_through_a_door_is_not_looked_for_beyond_the_wall(self) -> None:
        from types import SimpleNamespace

        from embodied_mem.benchmarks.suite.following import FollowSkillPolicy

        seen = [
            Sighting(label="person", color="red", position_m=(x, 0.0, 1.0), from_ns=1, to_ns=1)
            for x in (1.0, 1.5)
        ]
        for sees, x in ((True, 2.5), (False, 1.5)):
            env = SimpleNamespace(
                stamp_ns=0, config=SimpleNamespace(step_ns=1), in_sight=lambda a, b, sees=sees: sees
            )
            policy = FollowSkillPolicy(env, "TrackPerson", np.random.default_rng(0))
            assert policy._where_they_went(seen) == pytest.approx((x, 0.0))

    @pytest.mark.parametrize(
        "task", [*(task for task in (*ALL_TASKS_SOLVED_BY_A_LIST, *HOME_TASKS) if task not in WITHOUT_CUE)]
    )
    def test_what_the_robot_does_without_memory_is_the_same_whatever_the_cue_showed(self, task: str) -> None:
        """So that nothing but the memory carries anything over the gate."""
        first, second = ((0.2, 0.3), (0.7, 0.8)) if task == "TakeItBack" else (0, 1)
        assert actions_after_the_gate(task, hidden=first) == actions_after_the_gate(task, hidden=second)

    def test_experts_and_random_actions_play_at_home_and_on_the_table(self) -> None:
        from embodied_mem.benchmarks.suite import play_out as suite

        for task in ("FetchSeenObject", "RememberColor3"):
            cell = suite.Cell(task=task, policy="expert", memory="none")
            assert [outcome.success for outcome in suite.play_out(cell, (0,))] == [True]
            (outcome,) = suite.play_out(replace(cell, policy="random"), (0,))
            assert outcome.num_steps >= 1

    @pytest.mark.parametrize("memory", INSTALLED_MEMORIES)
    def test_every_memory_plays_and_an_episode_is_a_function_of_its_seed(self, memory: str) -> None:
        from embodied_mem.benchmarks.suite import play_out as suite

        cell = suite.Cell(task="PutBlockBack", policy="skills", memory=memory)
        assert isinstance(suite.make_memory(memory), TaskMemory)
        first = list(suite.play_out(cell, (3, 4, 5)))
        again = [outcome for seed in (5, 3, 4) for outcome in suite.play_out(cell, (seed,))]
        assert {o.seed: o for o in first} == {o.seed: o for o in again}

    def test_our_history_puts_a_block_back_and_what_holds_now_does_not(self) -> None:
        from embodied_mem.benchmarks.suite import play_out as suite

        cell = suite.Cell(task="TakeItBack", policy="skills", memory="ours")
        assert sum(o.success for o in suite.play_out(cell, SEEDS)) == len(SEEDS)
        assert sum(o.success for o in suite.play_out(replace(cell, memory="ours_now"), SEEDS)) == 0

    @pytest.mark.parametrize(
        "task",
        [
            "ShellGameSwap",
            "CountBlinks",
            "SeqPushButtons",
            "ChainOfColors5",
            "PlaceAfterButton",
            "WhatChanged",
        ],
    )
    def test_ours_knows_what_was_shown_in_turn(self, task: str) -> None:
        from embodied_mem.benchmarks.suite import play_out as suite

        cell = suite.Cell(task=task, policy="skills", memory="ours")
        assert all(outcome.success for outcome in suite.play_out(cell, SEEDS[:3]))

    def test_a_longer_delay_empties_a_stack_of_frames(self) -> None:
        from embodied_mem.benchmarks.suite import play_out as suite

        cell = suite.Cell(task="RememberColor9", policy="skills", memory="frame_stack")
        assert all(o.success for o in suite.play_out(cell, SEEDS))
        assert sum(o.success for o in suite.play_out(replace(cell, delay=6), SEEDS)) < 4

    def test_distracting_scenes_do_not_mislead_a_list_of_everything(self) -> None:
        from embodied_mem.benchmarks.suite import play_out as suite

        cell = suite.Cell(task="ChainOfColors3", policy="skills", memory="append_only", interference=3)
        assert all(o.success for o in suite.play_out(cell, SEEDS))

    def test_the_tasks_of_a_table_and_of_a_home_have_one_name_each(self) -> None:
        from embodied_mem.benchmarks.suite.settings import parse_settings

        assert set(parse_settings(["task=table"]).task) == set(ALL_TASKS_SOLVED_BY_A_LIST)
        assert parse_settings(["task=home,TrackPerson"]).task == HOME_TASKS
        assert parse_settings(["task=table,home"]).task == parse_settings([]).task

    def test_a_killed_run_goes_on_and_ends_as_if_it_had_not_been(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from embodied_mem.benchmarks.suite import running
        from embodied_mem.benchmarks.suite.settings import parse_settings

        monkeypatch.setattr(running, "commit", lambda: "abc")  # somebody may edit the checkout meanwhile
        words = [
            "task=RememberColor3",
            "memory=none,append_only",
            "seeds=0:4",
            f"out={tmp_path}",
            "processes=1",
        ]
        settings = parse_settings(words)
        whole = running.run_cells(
            settings.cells(), settings.seeds, tmp_path, processes=1, on_episode=lambda d, t: None
        )
        path = tmp_path / running.EPISODES_FILE
        lines = path.read_text().splitlines(keepends=True)
        assert len(lines) == 8
        path.write_text("".join(lines[:5]) + lines[5][:20])  # the kill came in the middle of a line
        told: list[tuple[int, int]] = []
        again = running.run_cells(
            settings.cells(),
            settings.seeds,
            tmp_path,
            processes=1,
            on_episode=lambda d, t: told.append((d, t)),
        )
        assert again == whole
        assert told[0] == (5, 8)
        assert told[-1] == (8, 8)

    def test_two_processes_find_what_one_finds(self, tmp_path: Path) -> None:
        from embodied_mem.benchmarks.suite import running
        from embodied_mem.benchmarks.suite.settings import parse_settings

        settings = parse_settings(["task=RememberColor3", "memory=none,append_only", "seeds=0:3"])
        found = [
            running.run_cells(
                settings.cells(), settings.seeds, tmp_path / str(n), processes=n, on_episode=lambda d, t: None
            )
            for n in (1, 2)
        ]
        assert found[0] == found[1]

    def test_episodes_of_another_commit_are_not_mixed_in(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from embodied_mem.benchmarks.suite import running

        monkeypatch.setattr(running, "commit", lambda: "abc")
        (tmp_path / running.RUN_FILE).write_text(json.dumps({"commit": "0123"}))
        with pytest.raises(ConfigError, match="has episodes of commit 0123"):
            running.run_cells([], [], tmp_path, processes=1, on_episode=lambda d, t: None)

    def test_the_command_writes_a_result_and_a_page_and_two_memories_of_it_compare(
        self, tmp_path: Path
    ) -> None:
        from click.testing import CliRunner

        from embodied_mem.cli.main import cli

        words = [
            "task=TakeItBack,RememberColor3", "memory=none,append_only", "seeds=0:5", "delay=2,5", "processes=1",
            f"out={tmp_path / 'run'}",
        ]  # fmt: skip
        done = CliRunner().invoke(cli, ["bench", "suite", *words, "--out", str(tmp_path), "--json"])
        assert done.exit_code == 0, done.output
        result = json.loads((tmp_path / "suite.json").read_text())
        assert {row["metric"] for row in result["rows"]} >= {
            "suite.TakeItBack.skills.none", "suite.TakeItBack.skills.none/delay=5",
        }  # fmt: skip
        by_name = {row["metric"]: row for row in result["rows"]}
        assert by_name["suite.TakeItBack.skills.append_only"]["value"] == 1.0
        assert by_name["suite.TakeItBack.skills.none"]["baseline"] == pytest.approx(0.0374, abs=1e-4)
        assert result["failures"]["suite.TakeItBack.skills.none"]["recall"] >= 4
        page = (tmp_path / "suite.html").read_text()
        assert "Success over delay" in page
        assert "How episodes ended" in page
        assert list((tmp_path / "run" / "failures").glob("*.gif"))
        path = tmp_path / "suite.json"
        done = CliRunner().invoke(
            cli, ["bench", "compare", f"{path}@none", f"{path}@append_only", "--out", str(tmp_path), "--json"]
        )
        assert done.exit_code == 0, done.output
        compared = json.loads((tmp_path / "compare.json").read_text())["paired"]["TakeItBack"]
        assert compared["num_pairs"] == 10
        assert compared["difference"] >= 0.8

    def test_a_trained_checkpoint_acts_on_its_task_and_an_episode_is_a_function_of_its_seed(
        self, tmp_path: Path
    ) -> None:
        from embodied_mem.benchmarks.policy.run_configs import TrainConfig
        from embodied_mem.benchmarks.policy.tabletop import demonstrate
        from embodied_mem.benchmarks.suite import play_out as suite
        from embodied_mem.benchmarks.suite.settings import parse_settings
        from embodied_mem.policy.training import Trainer, TrainingConfig
        from embodied_mem.policy.training_set import TrainingSet

        config, path = TrainConfig().policy, tmp_path / "checkpoint.pt"
        data = TrainingSet(demonstrate("RememberColor3", range(3)), config)
        brief = TrainingConfig(steps=1, batch_size=2)
        Trainer(config, brief, data, seed=0, about={"task": "RememberColor3"}).run(checkpoint=path)
        (cell,) = parse_settings([f"policy={path}", "task=RememberColor3,PutBlockBack"]).cells()
        assert (cell.task, cell.memory) == ("RememberColor3", "none")
        both = list(suite.play_out(cell, (3, 4)))
        assert list(suite.play_out(cell, (4,))) == both[1:]
        with pytest.raises(ConfigError, match="for none of the tasks"):
            parse_settings([f"policy={path}", "task=PutBlockBack"]).cells()

    def test_a_policy_of_somebody_elses_acts_with_a_memory_of_the_suites(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from embodied_mem.benchmarks.suite import play_out as suite
        from embodied_mem.benchmarks.suite.settings import parse_settings

        source = """
from embodied_mem.benchmarks.suite.policies import SkillPolicy

def make(env, task, rng):
    return SkillPolicy(task, rng)
"""
        (tmp_path / "policy_of_others.py").write_text(source, encoding="utf-8")
        monkeypatch.syspath_prepend(str(tmp_path))
        settings = parse_settings(
            ["policy=policy_of_others:make", "memory=none,append_only", "task=TakeItBack", "seeds=0:3"]
        )
        shares = [sum(o.success for o in suite.play_out(cell, settings.seeds)) for cell in settings.cells()]
        assert shares == [0, 3]

    def test_results_that_cannot_be_compared_are_refused(self, tmp_path: Path) -> None:
        from embodied_mem.benchmarks.suite.compare import compare, read_side

        with pytest.raises(ConfigError, match="no result at"):
            compare(str(tmp_path / "none.json"), "b.json")
        path = tmp_path / "a.json"
        cells = [{"task": "T", "memory": m, "policy": "skills"} for m in ("one", "two")]
        path.write_text(json.dumps({"episodes": [{"cell": c, "seed": 0, "success": True} for c in cells]}))
        with pytest.raises(ConfigError, match="several memories"):
            read_side(str(path))
        with pytest.raises(ConfigError, match="no memory 'three'"):
            read_side(f"{path}@three")

    @pytest.mark.parametrize(
        ("word", "error"),
        [
            ("tsak=PutBlockBack", "Did you mean 'task'"),
            ("task=PutBlok", "Did you mean"),
            ("seeds=x", "cannot be read"),
        ],
    )
    def test_words_that_cannot_be_are_refused(self, word: str, error: str) -> None:
        from embodied_mem.benchmarks.suite.settings import parse_settings

        with pytest.raises((UnknownConfigKey, ConfigError), match=error):
            parse_settings([word])

    def test_demos_are_counted_against_their_goal(self, tmp_path: Path) -> None:
        from embodied_mem.benchmarks.suite import demo_bench

        words = ["task=RememberColor3", "seeds=0:3", f"out={tmp_path}"]
        result = demo_bench.run(words, quick=False, progress=lambda doing: None)
        assert result.rows[0].metric == "demos.slowest_task.per_minute"
        assert (tmp_path / "RememberColor3" / "meta" / "info.json").is_file()
        with pytest.raises(ConfigError, match="not of \\['TrackPerson'\\]"):
            demo_bench.run(["task=TrackPerson"], quick=True, progress=lambda doing: None)


def actions_after_the_gate(task: str, *, hidden: object) -> list[bytes]:
    """The first of them, by the skills of a robot that remembers nothing."""
    from embodied_mem.benchmarks.suite.memories import NoMemory
    from embodied_mem.benchmarks.suite.play_out import Cell, opened
    from embodied_mem.benchmarks.suite.policies import make_policy
    from embodied_mem.envs.frames import to_frame

    with opened(Cell(task=task, policy="skills", memory="none")) as env:
        observation, info = env.reset(seed=2, options={"hidden": hidden})
        policy = make_policy("skills", env, task, np.random.default_rng(0))
        actions: list[bytes] = []
        is_over = False
        while not is_over and len(actions) < 15:
            frame = to_frame(observation, info, env.category_names)
            action = policy.act(frame, NoMemory(), observation["proprio"])
            phase = env.phase if task in HOME_TASKS else env.episode.phase
            if phase != "cue":
                actions.append(np.asarray(action).tobytes())
            observation, _, terminated, truncated, info = env.step(action)
            is_over = terminated or truncated
    assert len(actions) >= 3
    return actions


def example_of_the_docs() -> str:
    """The class that docs/tasks.md shows."""
    text = (Path(__file__).parents[3] / "docs" / "tasks.md").read_text(encoding="utf-8")
    (source,) = [
        block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "class Notebook" in block
    ]
    assert len(source.splitlines()) <= 30
    return source
