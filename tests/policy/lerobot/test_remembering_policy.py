"""ACT, Diffusion and SmolVLA with memory: the same actions while its gate is shut, saved and reloaded by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("lerobot", reason="LeRobot is not installed; run `make test-lerobot`")

from lerobot.configs import PreTrainedConfig
from lerobot.policies.factory import get_policy_class, make_pre_post_processors

from embodied_mem.errors import ConfigError, InvalidMessage, StampRunsBackwards, UnknownSlot
from embodied_mem.policy.lerobot import RememberingConfig, RememberingPolicy

from . import tiny_policies

pytestmark = pytest.mark.lerobot
NAMES = ("act", "diffusion", "smolvla")


def config_of(name: str, folder: Path, **options: Any) -> PreTrainedConfig:
    if name == "smolvla":
        return tiny_policies.smolvla(folder / "smolvlm", **options)
    return {"act": tiny_policies.act, "diffusion": tiny_policies.diffusion}[name](**options)


def remembering(name: str, folder: Path, **options: Any) -> RememberingPolicy:
    torch.manual_seed(0)
    config = RememberingConfig.around(
        config_of(name, folder), **{"num_slots": 2, "capacity": 3, "tells_task": True, **options}
    )
    return RememberingPolicy(config)


def opened(policy: RememberingPolicy) -> RememberingPolicy:
    with torch.no_grad():
        policy.memory.gate.fill_(1.0)
    return policy


def run(policy: RememberingPolicy, before: Any, seeds: range | list[int], **extra: Any) -> list[torch.Tensor]:
    """Actions from raw observations: LeRobot's processors, then `select_action`. Noise is drawn alike each time."""
    actions = []
    for seed in seeds:
        torch.manual_seed(seed)
        batch = before({**tiny_policies.seen(seed), "task": "bring the red mug", **extra})
        actions.append(policy.select_action(batch))
    return actions


@pytest.mark.parametrize("name", NAMES)
def test_with_a_shut_gate_the_actions_are_those_of_the_policy_itself(name: str, tmp_path: Path) -> None:
    policy = remembering(name, tmp_path)
    before, after = make_pre_post_processors(policy.config)
    bare = get_policy_class(name)(policy.config.base_config)
    bare.load_state_dict(policy.base.state_dict())
    own = run(bare.eval(), before, range(4))
    with_memory = run(policy, before, range(4))
    assert all(torch.equal(a, b) for a, b in zip(own, with_memory, strict=True))
    assert after(with_memory[0]).shape == (1, 2)
    assert int(policy.memory.bank.entries.count[0]) == 3


@pytest.mark.parametrize("name", NAMES)
def test_with_an_open_gate_what_was_seen_first_changes_the_action(name: str, tmp_path: Path) -> None:
    policy = opened(remembering(name, tmp_path))
    before, _ = make_pre_post_processors(policy.config)
    last = []
    for first in (1, 2):
        policy.reset()
        last.append(run(policy, before, [first, 3, 4])[-1])
    policy.reset()
    again = run(policy, before, [1, 3, 4])[-1]
    assert not torch.allclose(last[0], last[1], atol=1e-6)
    assert torch.equal(last[0], again)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_saved_and_reloaded_by_name_and_goes_on_as_if_never_stopped(name: str, tmp_path: Path) -> None:
    policy = opened(remembering(name, tmp_path))
    before, after = make_pre_post_processors(policy.config)
    run(policy, before, range(2), timestamp=1.0)
    for part in (policy, before, after):
        part.save_pretrained(tmp_path / "saved")
    policy.base.reset()  # its own queues of frames and actions are not part of LeRobot's checkpoints
    expected = run(policy, before, range(2, 5), timestamp=2.5)

    config = PreTrainedConfig.from_pretrained(tmp_path / "saved")
    assert config.type == "remembering"
    reloaded = get_policy_class(config.type).from_pretrained(tmp_path / "saved", config=config)
    before, _ = make_pre_post_processors(config, pretrained_path=str(tmp_path / "saved"))
    actions = run(reloaded, before, range(2, 5), timestamp=2.5)
    assert all(torch.equal(a, b) for a, b in zip(expected, actions, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_training_remembers_earlier_frames_and_reaches_the_gate(name: str, tmp_path: Path) -> None:
    policy = remembering(name, tmp_path, history=[-8, -4])
    frames = len(policy.config.observation_delta_indices)
    images = torch.rand(3, frames, 3, tiny_policies.SIDE_PX, tiny_policies.SIDE_PX)
    horizon = len(policy.config.action_delta_indices)
    batch = {
        "observation.images.front": images, "observation.state": torch.zeros(3, frames, 3),
        "action": torch.rand(3, horizon, 2), "action_is_pad": torch.zeros(3, horizon, dtype=torch.bool),
        "observation.language.tokens": torch.ones(3, 4, dtype=torch.int64),
        "observation.language.attention_mask": torch.ones(3, 4, dtype=torch.bool),
    }  # fmt: skip
    policy.train()
    loss, _ = policy.forward(batch)
    loss.backward()
    assert float(policy.memory.gate.grad.abs().sum()) > 0
    assert any(parameter is policy.memory.gate for group in _groups(policy) for parameter in group)
    assert int(policy.memory.bank.entries.count.max()) == 3


def _groups(policy: RememberingPolicy) -> list[list[Any]]:
    parameters = list(policy.get_optim_params())
    return (
        [list(one["params"]) for one in parameters] if isinstance(parameters[0], dict) else [list(parameters)]
    )


def test_act_learns_to_repeat_what_it_saw_first() -> None:
    torch.manual_seed(0)
    policy = RememberingPolicy.around(
        get_policy_class("act")(tiny_policies.act()), history=[-1], num_slots=4, capacity=2
    )
    opened(policy)
    brightness = torch.tensor([0.0, 1.0, 0.0, 1.0])
    first = brightness[:, None, None, None].expand(-1, 3, tiny_policies.SIDE_PX, tiny_policies.SIDE_PX)
    grey, state = torch.full_like(first, 0.5), torch.zeros(4, 3)
    batch = {
        "observation.images.front": torch.stack([first, grey], dim=1),
        "observation.state": torch.zeros(4, 2, 3),
        "action": (2 * brightness - 1)[:, None, None].repeat(1, 2, 2),
        "action_is_pad": torch.zeros(4, 2, dtype=torch.bool),
    }
    optimizer = torch.optim.Adam(policy.parameters(), lr=3e-3)
    for _ in range(60):
        policy.train()
        policy.base.eval()  # no dropout, and nothing of the action through the variational encoder
        loss, _ = policy.forward(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    policy.reset()
    policy.select_action({"observation.images.front": first, "observation.state": state})
    actions = policy.select_action({"observation.images.front": grey, "observation.state": state})
    assert torch.equal(actions[:, 0] > 0, brightness > 0.5)


def test_cameras_that_a_policy_looks_through_one_by_one_have_memories_of_their_own(tmp_path: Path) -> None:
    cameras = ("front", "wrist")
    config = config_of("smolvla", tmp_path, **tiny_policies.features(cameras))
    policy = opened(RememberingPolicy(RememberingConfig.around(config, num_slots=1, tells_task=True)))
    before, _ = make_pre_post_processors(policy.config)
    for seed in range(2):
        policy.select_action(before({**tiny_policies.seen(seed, cameras=cameras), "task": "go"}))
    entries = policy.memory.bank.entries
    assert entries.count.tolist() == [2, 2]
    assert not torch.equal(entries.tokens[0, 0], entries.tokens[1, 0])


def test_what_does_not_fit_is_refused_before_anything_is_remembered(tmp_path: Path) -> None:
    policy = remembering("act", tmp_path)
    seen = tiny_policies.seen(0)
    with pytest.raises(UnknownSlot, match="num_slots=3"):
        policy.select_action(tiny_policies.seen(0, num_rows=3))
    policy.select_action({**seen, "timestamp": torch.tensor([5.0])})
    with pytest.raises(StampRunsBackwards):
        policy.select_action({**seen, "timestamp": torch.tensor([4.0])})
    assert policy.memory.bank.entries.count.tolist() == [1, 0]
    with pytest.raises(ConfigError, match="rising negative"):
        remembering("act", tmp_path, history=[0])
    with pytest.raises(ConfigError, match="no policy of LeRobot"):
        RememberingConfig(base={"type": "nothing"})
    with pytest.raises(InvalidMessage, match="no module"):
        remembering("act", tmp_path, module="model.nothing")
    with pytest.raises(InvalidMessage, match="laid out"):
        remembering("act", tmp_path, module="model.action_head", layout="flat")


@pytest.mark.parametrize("name", NAMES)
def test_a_refused_observation_leaves_nothing_behind_in_the_policy_itself(name: str, tmp_path: Path) -> None:
    policy = opened(remembering(name, tmp_path))
    before, _ = make_pre_post_processors(policy.config)
    seen = before({**tiny_policies.seen(1), "task": "bring the red mug"})
    key = next(iter(policy.config.base_config.input_features))
    spoiled = {**seen, key: seen[key].clone()}
    spoiled[key].view(-1)[0] = float("nan")
    bad = [spoiled, *({**seen, "timestamp": value} for value in (float("nan"), "soon", [1.0, 2.0], -1.0))]
    actions = []
    for refused in ([], bad):
        policy.reset()
        for batch in refused:
            with pytest.raises(InvalidMessage):
                policy.select_action(batch)
        run(policy, before, [1], timestamp=torch.tensor([5.0]))
        if refused:
            with pytest.raises(StampRunsBackwards):
                policy.select_action({**seen, "timestamp": torch.tensor([4.0])})
        actions.append(run(policy, before, [2], timestamp=torch.tensor([6.0]))[0])
    assert torch.equal(*actions)
