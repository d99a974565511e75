"""Our policy in a home: what the expert shows of it, and that it is trained and evaluated as at the table."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from embodied_mem.benchmarks.policy import home, tabletop
from embodied_mem.benchmarks.policy.closed_loop import DEMO_SEEDS, as_env_action
from embodied_mem.benchmarks.policy.experiments import Teacher, fitted, run_evaluation, run_training
from embodied_mem.benchmarks.policy.run_configs import EvalConfig, TrainConfig
from embodied_mem.benchmarks.policy.workplaces import workplace_of
from embodied_mem.errors import ConfigError, InvalidMessage
from embodied_mem.policy.checkpoints import load_policy
from embodied_mem.policy.flow_expert import FlowExpertConfig
from embodied_mem.policy.memory_policy import MemoryPolicyConfig, policy_state
from embodied_mem.policy.naming import words_in
from embodied_mem.policy.naming_lessons import known_words
from embodied_mem.policy.training import TrainingConfig
from embodied_mem.policy.training_set import Demonstration

pytestmark = pytest.mark.mujoco
TASK = "FetchSeenObject"


@pytest.fixture(scope="module")
def episodes() -> list[Demonstration]:
    return home.demonstrate(TASK, range(DEMO_SEEDS, DEMO_SEEDS + 5))


def test_the_expert_shows_every_place_of_a_home_in_turn_and_the_teacher_names_what_is_seen(
    episodes: list[Demonstration],
) -> None:
    assert [one.hidden for one in episodes] == [0, 1, 2, 3, 4]
    (instruction,) = {one.instruction for one in episodes}
    (wanted,) = words_in(known_words(episodes), instruction)
    for one in episodes:
        assert one.num_before == 6
        assert one.actions[:5].argmax(axis=1).tolist() == [0, 1, 2, 3, 4]
        assert int(one.actions[-1].argmax()) == 5 + one.hidden
        assert set(np.unique(one.actions)) == {-1.0, 1.0}
        views = [view for view, things in enumerate(one.things) if wanted in {thing.name for thing in things}]
        assert views == [1 + one.hidden]  # the first view is from the hallway
        assert all(
            0.0 < part < 1.0
            for things in one.things
            for thing in things
            for part in (thing.column, thing.row)
        )


def test_pairs_that_exchange_memories_are_in_one_home_and_look_for_one_thing() -> None:
    envs = [home.make_env(TASK) for _ in range(2)]
    seen = home.begin(envs, [DEMO_SEEDS, DEMO_SEEDS + 1], in_pairs=True)
    assert seen[0][0]["instruction"] == seen[1][0]["instruction"]
    assert np.array_equal(seen[0][0]["rgb"], seen[1][0]["rgb"])
    rights = [home.choices(env, 5 + 3) for env in envs]
    assert rights[0][0] != rights[1][0]
    assert [chosen for _, chosen in rights] == [3, 3]
    assert home.choices(envs[0], 4)[1] == -1
    assert as_env_action(envs[0].action_space, np.array([-1.0, 0.2, 0.9, 0.1], dtype=np.float32)) == 2
    for env in envs:
        env.close()


def test_where_a_task_takes_place_and_what_is_none() -> None:
    assert workplace_of(TASK) is workplace_of(f"{TASK}-Interference3") is home
    assert workplace_of("RearrangeBlock") is tabletop
    for task, hint in (
        ("SearchNoRevisit", "FetchSeenObject"),
        ("TrackPerson", "FetchSeenObject"),
        ("Rearrange", "RearrangeBlock"),
    ):
        with pytest.raises(ConfigError, match=hint):
            workplace_of(task)


class Asked:
    """An environment that only notes what was to be hidden."""

    def __init__(self, num_values: int) -> None:
        self.unwrapped = self
        self.task = SimpleNamespace(facts=SimpleNamespace(num_values=num_values))

    def reset(self, *, seed: int, options: dict[str, int]) -> tuple[int, dict[str, int]]:
        return seed, options


@pytest.mark.parametrize("num_values", [4, 5])
def test_in_pairs_every_value_comes_as_often_first_and_second(num_values: int) -> None:
    num_pairs = num_values * (num_values - 1)
    envs = [Asked(num_values) for _ in range(2 * num_pairs)]
    seen = home.begin(envs, range(1000, 1000 + len(envs)), in_pairs=True)
    hidden = [options["hidden"] for _, options in seen]
    assert [seed for seed, _ in seen[1::2]] == [seed for seed, _ in seen[::2]]
    assert len(set(zip(hidden[::2], hidden[1::2], strict=True))) == num_pairs
    for row in (0, 1):
        assert set(Counter(hidden[row::2]).values()) == {num_values - 1}


def test_without_demonstrations_nothing_is_learned() -> None:
    with pytest.raises(InvalidMessage, match="no demonstrations"):
        fitted(MemoryPolicyConfig(), [])


def test_a_policy_is_trained_in_homes_gone_on_with_and_evaluated(
    episodes: list[Demonstration], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "demonstrate", lambda *_: episodes)  # to record them takes long
    training = TrainingConfig(naming=1, lessons=1, steps=1, batch_size=4)
    config = TrainConfig(
        task=TASK, demos=5, training=training, expert=FlowExpertConfig(width=16, num_blocks=2), out=str(tmp_path), device="cpu",
    )  # fmt: skip
    checkpoint = run_training(config)
    policy = load_policy(checkpoint)
    assert (policy.config.camera, policy.config.expert.action_width) == ("head", 10)
    assert policy.naming is not None
    assert len(policy.config.words) >= 5
    written = checkpoint.read_bytes()
    run_training(config)
    assert checkpoint.read_bytes() == written  # nothing was left to do
    found = run_evaluation(EvalConfig(checkpoint=str(checkpoint), episodes=2, at_once=2, swap=True))
    assert (found.episodes, found.chance, found.committed) == (2, 0.2, 2 - found.failures.get("no_commit", 0))
    assert found.swapped is not None
    for bank in ("gated", "none"):  # they read and name as well
        other = replace(config, bank=bank, out=str(tmp_path / bank))
        assert load_policy(run_training(other)).config.words == policy.config.words


def test_trainings_with_one_teacher_are_those_that_they_are_alone(
    episodes: list[Demonstration], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(home, "demonstrate", lambda _, seeds, *__: asked.append(seeds) or episodes)
    training = TrainingConfig(naming=1, lessons=1, steps=1, batch_size=4)
    expert, teacher, written = FlowExpertConfig(width=16, num_blocks=2), Teacher(), []
    for seed, bank in ((0, "merge"), (0, "none"), (1, "none")):
        config = TrainConfig(
            task=TASK, demos=5, seed=seed, bank=bank, training=training, expert=expert, device="cpu"
        )
        alone, taught = (
            replace(config, out=str(tmp_path / f"{bank}-{seed}-{way}")) for way in ("alone", "taught")
        )
        run_training(alone)
        named: list[str] = []
        run_training(taught, teacher=teacher, on_step=lambda at, named=named: named.append(at.what))
        written.append("naming" in " ".join(named))
        ours, theirs = (policy_state(load_policy(Path(one.out) / "checkpoint.pt")) for one in (taught, alone))
        assert [name for name in theirs if not torch.equal(ours[name], theirs[name])] == []
    assert len(asked) == 3 + 2  # three trainings alone; by the teacher, seed 0 once and seed 1 once
    assert written == [True, False, True]
