"""The chance proof: from the gate to the commit nothing that can be observed depends on the hidden variable."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

import embodied_mem.envs
from embodied_mem.envs.mujoco.tabletop import TASK_NAMES

pytestmark = pytest.mark.mujoco

NUM_SEQUENCES = 20
SEED = 11


def make(task: str, **options: Any) -> Any:
    options.setdefault("image_size", (32, 32))
    return gymnasium.make(embodied_mem.envs.task_id(task), **options).unwrapped


def choice_tasks() -> list[str]:
    from embodied_mem.envs.mujoco.tabletop.catalog import make_task

    return [name for name in TASK_NAMES if make_task(name).facts.num_choices > 0]


def without_the_cues_pictures(env: Any) -> Any:
    """The env with one picture in place of all those of the cue, which are not compared: half of the time of a proof."""
    env.reset(seed=SEED)
    shoot = env._cameras.shoot
    blank = shoot()
    env._cameras.shoot = lambda: blank if env.episode.phase == "cue" else shoot()
    return env


def some_action(env: Any, rng: np.random.Generator) -> np.ndarray:
    """Half of the time anything at all, else a step of the way to some choice, right or wrong, that commits at times."""
    from embodied_mem.envs.mujoco.tabletop.expert import key_pose_action
    from embodied_mem.envs.mujoco.tabletop.task import Hidden

    if rng.random() < 0.3:
        return rng.uniform(-1.0, 1.0, 4).astype(np.float32)
    guess = Hidden(index=int(rng.integers(env.task.facts.num_choices)))
    poses = env.task.choice_poses(env.episode.layout, guess)
    return key_pose_action(poses[int(rng.integers(len(poses)))])


def trace_after_gate(
    env: Any, hidden: int, sequence: int, seed: int = SEED
) -> tuple[list[dict[str, Any]], bool]:
    """All that is observed from the gate on, under one sequence of actions; what is done before differs by `hidden`."""
    env.reset(seed=seed, options={"hidden": hidden})
    before, after = np.random.default_rng([sequence, hidden]), np.random.default_rng(sequence)
    seen: list[dict[str, Any]] = []
    is_over = False
    while not is_over:
        rng = before if env.episode.phase == "cue" else after
        observation, _, terminated, truncated, info = env.step(some_action(env, rng))
        is_over = terminated or truncated
        if env.episode.phase != "cue":
            public = {key: info[key] for key in ("stamp_ns", "events")}
            seen.append({**observation, **public, "ends": (terminated, truncated)})
    return seen, terminated


def as_bytes(seen: dict[str, Any]) -> dict[str, bytes]:
    return {
        key: value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
        for key, value in seen.items()
    }


@pytest.mark.parametrize("task", choice_tasks())
def test_every_observation_from_the_gate_to_the_commit_is_the_same_for_every_hidden_value(task: str) -> None:
    env = without_the_cues_pictures(make(task))
    num_commits, k = 0, env.task.facts.num_choices
    for sequence in range(NUM_SEQUENCES):
        reference, is_committed = trace_after_gate(env, 0, sequence, seed=SEED + sequence)
        num_commits += is_committed
        # Of the 120 orders of five colours the first sequence tries all, each other one every twentieth.
        others = range(1, k) if k <= 9 or sequence == 0 else range(sequence, k, NUM_SEQUENCES)
        for hidden in others:
            other, _ = trace_after_gate(env, hidden, sequence, seed=SEED + sequence)
            assert len(other) == len(reference)
            for a, b in zip(reference, other, strict=True):
                assert as_bytes(a) == as_bytes(b)
    assert (
        num_commits > 0 or k > 9
    )  # the sequences do reach commits; five touches of five are rare among them
    env.close()


@pytest.mark.parametrize("task", choice_tasks())
def test_the_cue_does_show_the_hidden_value(task: str) -> None:
    """Under the expert's first steps, no two values give the same pictures before the gate."""
    from embodied_mem.envs.mujoco.tabletop.expert import ScriptedExpert

    env = make(task, image_size=(64, 64))
    shown = set()
    for hidden in range(env.task.facts.num_choices):
        if env.task.facts.num_choices > 9 and hidden % 8:
            continue
        observation, _ = env.reset(seed=SEED, options={"hidden": hidden})
        expert, pictures = ScriptedExpert(env.episode), observation["rgb"].tobytes()
        while env.episode.phase == "cue":
            observation = env.step(expert.act())[0]
            pictures += observation["rgb"].tobytes()
        shown.add(pictures)
    k = env.task.facts.num_choices
    assert len(shown) == (k if k <= 9 else k // 8)
    env.close()


def test_hidden_values_are_uniform_and_independent_of_the_layout() -> None:
    """5,000 seeds: counts of each value, given a coin from the nuisance stream, fit 1/K (chi-square) for every K."""
    from scipy.stats import chi2

    from embodied_mem.envs.mujoco.tabletop.catalog import make_task
    from embodied_mem.envs.mujoco.tabletop.episode import Streams, draw_hidden

    tasks = {made.facts.num_choices: made for made in map(make_task, choice_tasks())}
    counts = {k: np.zeros((2, k)) for k in tasks}
    for seed in range(5_000):
        streams = Streams.of(seed)
        coin, fresh = int(streams.nuisance.random() < 0.5), streams.hidden.bit_generator.state
        for k, made in tasks.items():
            streams.hidden.bit_generator.state = fresh
            counts[k][coin, draw_hidden(made, streams.hidden).index] += 1
    for k, counted in counts.items():
        expected = counted.sum(axis=1, keepdims=True) / k
        statistic = float(((counted - expected) ** 2 / expected).sum())
        assert statistic < chi2.ppf(0.999, 2 * (k - 1)), k


@pytest.mark.parametrize("task", choice_tasks())
def test_the_stated_chance_is_one_in_k(task: str) -> None:
    from embodied_mem.envs.mujoco.tabletop.catalog import make_task

    facts = make_task(task).facts
    assert facts.chance == pytest.approx(1 / facts.num_choices)


def test_where_a_block_was_to_be_taken_back_cannot_be_seen_after_the_gate() -> None:
    env = without_the_cues_pictures(make("TakeItBack"))
    traces = []
    for place in ((0.1, 0.9), (0.5, 0.5), (0.95, 0.02)):
        per_place = []
        for sequence in range(NUM_SEQUENCES):
            env.reset(seed=SEED, options={"hidden": place})
            before, after = (
                np.random.default_rng([sequence, int(place[0] * 100)]),
                np.random.default_rng(sequence),
            )
            is_over = False
            while not is_over:
                rng = before if env.episode.phase == "cue" else after
                observation, _, terminated, truncated, info = env.step(_take_back_action(env, rng))
                is_over = terminated or truncated
                if env.episode.phase != "cue":
                    per_place.append(as_bytes({**observation, "stamp_ns": info["stamp_ns"], "ends": is_over}))
        traces.append(per_place)
    assert traces[0] == traces[1] == traces[2]
    env.close()


def _take_back_action(env: Any, rng: np.random.Generator) -> np.ndarray:
    """Anything, or a step of taking the block to some place."""
    from embodied_mem.envs.mujoco.tabletop.expert import key_pose_action
    from embodied_mem.envs.mujoco.tabletop.task import Hidden

    u, v, kind = rng.random(3)
    poses = env.task.choice_poses(env.episode.layout, Hidden(index=0, fraction=(float(u), float(v))))
    return (
        rng.uniform(-1, 1, 4).astype(np.float32)
        if kind < 0.3
        else key_pose_action(poses[int(kind * 100) % 3])
    )


def test_the_best_fixed_place_to_take_a_block_back_to_succeeds_as_often_as_the_formula_says() -> None:
    from embodied_mem.envs.mujoco.tabletop.catalog import make_task
    from embodied_mem.envs.mujoco.tabletop.task import Choice, Hidden

    task = make_task("TakeItBack")
    rng, n = np.random.default_rng(0), 20_000
    layout = task.draw(np.random.default_rng(1))
    middle = Choice(place_m=(0.14, 0.0, 0.0))
    hits = sum(
        task.is_right(middle, layout, Hidden(index=0, fraction=(float(u), float(v))))
        for u, v in rng.random((n, 2))
    )
    p = task.facts.chance
    assert p == pytest.approx(0.0374, abs=1e-4)
    assert abs(hits / n - p) < 5 * np.sqrt(p * (1 - p) / n)


def test_after_each_lift_the_view_is_the_same_so_that_only_memory_counts_them() -> None:
    from embodied_mem.envs.mujoco.tabletop.expert import key_pose_action
    from embodied_mem.envs.mujoco.tabletop.task import Hidden

    for num_scenes in (0, 2):
        env = make("LiftNTimes", instance_ids="constant", interference=num_scenes)
        observation, _ = env.reset(seed=SEED)
        poses = env.task.choice_poses(env.episode.layout, Hidden(index=0))
        views, behind_the_gate = [as_bytes(observation)], []
        for _ in range(4):
            for pose in poses[:3]:
                observation, *_ = env.step(key_pose_action(pose))
            covered = [as_bytes(observation)]
            while env.episode.phase == "gate":
                observation, *_, info = env.step(key_pose_action(poses[0]))  # does nothing there
                assert info["events"] == []
                covered.append(as_bytes(observation))
            behind_the_gate.append(covered[:-1])
            views.append(as_bytes(observation))
        assert all(view == views[0] for view in views)
        assert all(covered == behind_the_gate[0] for covered in behind_the_gate)
        assert len(behind_the_gate[0]) == 2 + 3 * num_scenes
        env.close()


def test_the_chance_of_counting_lifts_without_memory_is_the_best_of_stopping_at_random() -> None:
    from embodied_mem.envs.mujoco.tabletop.catalog import make_task

    best = max(p**3 * (1 - p) for p in np.linspace(0.0, 1.0, 10_001))
    assert make_task("LiftNTimes").facts.chance == pytest.approx(best, abs=1e-6)


def test_the_button_that_nobody_presses_shows_nothing() -> None:
    """Active looking: without the press the cue of PlaceAfterButton is the same for every hidden value."""
    from embodied_mem.envs.mujoco.tabletop.expert import REST, key_pose_action

    env = make("PlaceAfterButton")
    seen = []
    for hidden in range(4):
        env.reset(seed=SEED, options={"hidden": hidden})
        steps = []
        while env.episode.phase == "cue":
            steps.append(as_bytes(env.step(key_pose_action(REST))[0]))
        seen.append(steps)
    assert seen[0] == seen[1] == seen[2] == seen[3]
    env.close()


def test_a_policy_that_ignores_what_it_saw_succeeds_at_chance() -> None:
    """A fixed guess over 400 seeds is right in 1/K of them, within five standard deviations."""
    from embodied_mem.envs.mujoco.tabletop.catalog import make_task
    from embodied_mem.envs.mujoco.tabletop.episode import Streams, draw_hidden

    task = make_task("ShellGameSwap")
    right = 0
    for seed in range(400):
        streams = Streams.of(seed)
        hidden, layout = draw_hidden(task, streams.hidden), task.draw(streams.nuisance)
        right += task.is_right(_choice(1), layout, hidden)
    assert abs(right / 400 - 1 / 3) < 5 * np.sqrt(2 / 9 / 400)


def _choice(index: int) -> Any:
    from embodied_mem.envs.mujoco.tabletop.task import Choice

    return Choice(index=index)
