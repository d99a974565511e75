"""The mobile tasks: Gymnasium's contract, the chance proof, and what experts do."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from embodied_mem.envs import task_id
from embodied_mem.envs.frames import to_events, to_frame
from embodied_mem.envs.mujoco.mobile import MOBILE_TASK_NAMES
from embodied_mem.errors import ConfigError, UnknownConfigKey

pytestmark = pytest.mark.mujoco

NUM_SEQUENCES, SEED = 20, 5


def make(task: str, **options: Any) -> Any:
    options.setdefault("image_size", (32, 40))
    return gymnasium.make(f"EmbodiedMem/{task}-v0", **options).unwrapped


def as_bytes(seen: dict[str, Any]) -> dict[str, bytes]:
    return {
        key: value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
        for key, value in seen.items()
    }


def test_the_names_that_are_registered_are_those_of_the_catalog() -> None:
    from embodied_mem.envs.mujoco.mobile.tasks import TASKS

    assert tuple(TASKS) == MOBILE_TASK_NAMES
    for name, task in TASKS.items():
        assert task().facts.name == name


def test_the_environment_keeps_gymnasiums_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    from embodied_mem.envs.mujoco.mobile import stage

    draw = stage.draw_setting
    monkeypatch.setattr(
        stage, "draw_setting", lambda seed: draw((1, 2))
    )  # drawing a home takes most of a second
    env = make("WhatChanged", render_mode="rgb_array")
    check_env(env)
    env.close()


def trace_after_gate(env: Any, hidden: int, sequence: int) -> list[dict[str, bytes]]:
    """All that is observed after the gate shut (or from the start, where there is none), under one sequence of actions."""
    env.reset(seed=SEED, options={"hidden": hidden})
    before, after = np.random.default_rng([sequence, hidden]), np.random.default_rng(sequence)
    seen, is_over = [], False
    while not is_over:
        rng = before if env.phase == "cue" else after
        observation, _, terminated, truncated, info = env.step(int(rng.integers(10)))
        is_over = terminated or truncated
        if env.phase != "cue":
            seen.append(as_bytes({**observation, "stamp_ns": info["stamp_ns"]}))
    return seen


@pytest.mark.parametrize(("num_scenes", "num_sequences"), [(0, NUM_SEQUENCES), (1, 4)])
@pytest.mark.parametrize("task", ["FetchSeenObject", "MovedObject", "WhatChanged"])
def test_every_observation_from_the_gate_to_the_commit_is_the_same_for_every_hidden_value(
    task: str, num_scenes: int, num_sequences: int
) -> None:
    env = make(task, interference=num_scenes)
    env.reset(seed=SEED)
    see = env._camera.see
    blank = see("head", ("rgb", "depth", "segmentation"))
    # what the cue shows is not compared here
    env._camera.see = lambda camera, modes: blank if env.phase == "cue" else see(camera, modes)
    for sequence in range(num_sequences):
        reference = trace_after_gate(env, 0, sequence)
        for hidden in range(1, env.task.facts.num_values):
            assert trace_after_gate(env, hidden, sequence) == reference
    env.close()


@pytest.mark.parametrize("task", ["FetchSeenObject", "MovedObject", "WhatChanged"])
def test_the_cue_does_show_the_hidden_value(task: str) -> None:
    env = make(task, image_size=(96, 120))
    shown = set()
    for hidden in range(env.task.facts.num_values):
        env.reset(seed=SEED, options={"hidden": hidden})
        pictures = b""
        while env.phase == "cue":
            pictures += env.step(env.expert_action())[0]["rgb"].tobytes()
        shown.add(pictures)
    assert len(shown) == env.task.facts.num_values
    env.close()


def test_searching_shows_the_same_view_wherever_it_was() -> None:
    env = make("SearchNoRevisit", instance_ids="constant", interference=1)
    observation, _ = env.reset(seed=SEED, options={"hidden": 4})
    views, behind_the_gate = [as_bytes(observation)], []
    for place in range(4):
        observation, _, terminated, truncated, info = env.step(place)
        assert (terminated, truncated, len(info["events"])) == (False, False, 1)
        covered = [as_bytes(observation)]
        while env.phase == "gate":
            observation, *_, info = env.step(place)  # does nothing there
            assert info["events"] == []
            covered.append(as_bytes(observation))
        behind_the_gate.append(covered[:-1])
        views.append(as_bytes(observation))
    assert all(view == views[0] for view in views)
    assert all(covered == behind_the_gate[0] for covered in behind_the_gate)
    assert len(behind_the_gate[0]) == env.config.delay + 3
    _, reward, terminated, _, info = env.step(4)
    assert (reward, terminated, info["success"]) == (1.0, True, True)
    env.reset(seed=SEED, options={"hidden": 4})
    env.step(1)
    while env.phase == "gate":
        env.step(1)
    _, reward, terminated, _, info = env.step(1)
    assert (reward, terminated, info["failure"]) == (0.0, True, "recall")
    env.close()


def test_the_chance_of_a_search_is_that_of_equal_probabilities_and_no_others_do_better() -> None:
    from embodied_mem.envs.mujoco.mobile.tasks import SearchNoRevisit, search_chance

    chance = SearchNoRevisit().facts.chance
    assert chance == pytest.approx(0.2 * (1 + 4 / 5 + 12 / 25 + 24 / 125 + 24 / 625))
    by_orders = sum(  # over all orders of first visits: all distinct up to where the thing is
        np.prod([0.2] * (order.index(0) + 1)) / np.prod(range(1, 5 - order.index(0)), dtype=float)
        for order in permutations(range(5))
    )
    assert chance == pytest.approx(by_orders)
    rng = np.random.default_rng(0)
    for p in rng.dirichlet(np.ones(5), 200):
        assert search_chance(p.tolist()) <= chance + 1e-12


@pytest.mark.parametrize("task", MOBILE_TASK_NAMES)
def test_seeds_reproduce_to_the_byte_and_experts_are_right(task: str) -> None:
    first, second = make(task), make(task)
    second.reset(seed=SEED)
    second.step(2)
    for seed in (SEED, 6) if task == "FetchSeenObject" else (SEED,):
        a, b = first.reset(seed=seed)[0], second.reset(seed=seed)[0]
        assert as_bytes(a) == as_bytes(b)
        is_over = False
        while not is_over:
            action = first.expert_action()
            one, other = first.step(action), second.step(action)
            assert as_bytes(one[0]) == as_bytes(other[0])
            assert one[1:] == other[1:]
            is_over = one[2] or one[3]
        assert one[4]["success"]
    first.close()
    second.close()


def test_the_thing_is_in_view_where_it_is_and_nowhere_else() -> None:
    env = make("FetchSeenObject", image_size=(128, 160))
    for hidden in range(5):
        observation, info = env.reset(seed=SEED, options={"hidden": hidden})
        kind = env.stage.places[0].thing.kind.name
        for place in range(5):
            observation, *_, info = env.step(place)
            labels = [d.label for d in to_frame(observation, info, env.category_names).detections]
            assert (kind in labels) == (place == hidden)
    env.close()


def test_choosing_too_late_or_wrongly_is_told_apart() -> None:
    env = make("FetchSeenObject", noise=1.0)
    for action, failure in ((0, "no_commit"), (9, "recall")):
        env.reset(seed=SEED, options={"hidden": 0})
        is_over = False
        while not is_over:
            *_, terminated, truncated, info = env.step(action)
            is_over = terminated or truncated
        assert info["failure"] == failure
    env.close()


def test_a_search_is_told_as_a_deed_with_its_place() -> None:
    env = make("SearchNoRevisit")
    _, info = env.reset(seed=SEED, options={"hidden": 4})
    assert info["events"] == []
    (event,) = to_events(env.step(2)[4])
    assert event.kind == "search"
    assert event.objects[0].position_world_m == env.stage.places[2].receptacle.centre_world
    while env.phase == "gate":
        env.step(2)
    assert env.step(7)[4]["events"] == []
    assert env.phase == "choice"  # nothing was searched, and the gate stays open
    env.close()


def test_distracting_scenes_show_things_behind_the_gate_and_are_gone_at_the_choice() -> None:
    env = gymnasium.make(
        task_id("FetchSeenObject", num_distracting_scenes=3), image_size=(96, 120), truth_in_info=True
    ).unwrapped
    kinds: dict[str, set[str]] = {"gate": set(), "choice": set()}
    observation, info = env.reset(seed=SEED)
    things = {place.thing.kind.name for place in env.stage.places}
    for _ in range(17):
        observation, *_, info = env.step(9)
        seen = to_frame(observation, info, env.category_names).detections
        kinds.setdefault(info["truth"]["phase"], set()).update({d.label for d in seen} & things)
        if info["truth"]["phase"] == "choice":
            break
    assert len(kinds["gate"]) >= 3
    assert kinds["choice"] == set()
    env.close()


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UnknownConfigKey, match="Did you mean 'delay'"):
        make("WhatChanged", dealy=2)
    with pytest.raises(ConfigError, match="delay is 0"):
        make("WhatChanged", delay=0)
    env = make("WhatChanged", truth_in_info=True)
    with pytest.raises(ConfigError, match="it is 0 to 3"):
        env.reset(seed=0, options={"hidden": 4})
    assert env.reset(seed=SEED, options={"hidden": 3})[1]["truth"] == {"hidden": 3, "phase": "cue"}
    env.close()
