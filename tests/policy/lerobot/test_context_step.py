"""What a memory knows reaches LeRobot's policies through their processors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

pytest.importorskip("lerobot", reason="LeRobot is not installed; run `make test-lerobot`")

from lerobot.configs import FeatureType, PipelineFeatureType
from lerobot.policies.factory import make_pre_post_processors
from lerobot.processor import PolicyProcessorPipeline

from embodied_mem.errors import InvalidMessage
from embodied_mem.policy.lerobot import MemoryContextStep, RememberingConfig, RememberingPolicy
from embodied_mem.robot_memory import RobotMemory
from embodied_mem.testing import SyntheticRoom

from . import tiny_policies

pytestmark = pytest.mark.lerobot
NAME = "embodied_mem_context"


@pytest.fixture(scope="module")
def memory() -> Iterator[RobotMemory]:
    with RobotMemory.open() as memory:
        for frame in SyntheticRoom(seed=0).frames(12):
            memory.observe(frame)
        yield memory


def test_the_task_is_told_with_what_the_memory_knows(memory: RobotMemory) -> None:
    pipeline = PolicyProcessorPipeline(steps=[MemoryContextStep(memory=memory, ms=1e6)])
    told = pipeline({**tiny_policies.seen(0), "task": "bring the red mug"})["task"]
    assert told.startswith("Memory:\n")
    assert "red mug" in told
    assert told.endswith("Task: bring the red mug")
    several = pipeline({**tiny_policies.seen(0, num_rows=2), "task": ["bring the red mug", "go"]})["task"]
    assert several[0] == told
    assert several[1].endswith("Task: go")


def test_kept_views_become_cameras_with_masks(memory: RobotMemory) -> None:
    step = MemoryContextStep(cameras=["memory_0", "memory_1"], memory=memory, ms=1e6, tells_task=False)
    given = {**tiny_policies.seen(0, num_rows=2), "task": ["go", "go"]}
    seen = PolicyProcessorPipeline(steps=[step])(given)
    view = seen["observation.images.memory_0"]
    assert view.shape == (2, 3, tiny_policies.SIDE_PX, tiny_policies.SIDE_PX)
    assert 0.0 < float(view.max()) <= 1.0
    assert seen["observation.images.memory_0_padding_mask"].tolist() == [True, True]
    assert seen["task"] == ["go", "go"]
    assert "observation.images.memory_0" not in given


def test_without_a_memory_tasks_stay_and_cameras_are_black_and_masked() -> None:
    pipeline = PolicyProcessorPipeline(steps=[MemoryContextStep(cameras=["memory_0"])])
    one = {key: value[0] for key, value in tiny_policies.seen(0).items()}
    seen = pipeline({**one, "task": "go"})
    assert seen["task"] == "go"
    assert float(seen["observation.images.memory_0"].abs().max()) == 0.0
    assert seen["observation.images.memory_0"].shape == (3, tiny_policies.SIDE_PX, tiny_policies.SIDE_PX)
    assert not bool(seen["observation.images.memory_0_padding_mask"].any())
    with pytest.raises(InvalidMessage, match="take their size"):
        pipeline({"observation.state": torch.zeros(3), "task": "go"})


def test_it_is_saved_by_name_and_given_its_memory_again(memory: RobotMemory, tmp_path: Path) -> None:
    step = MemoryContextStep(cameras=["memory_0"], tokens=300, ms=1e6, memory=memory)
    pipeline = PolicyProcessorPipeline(steps=[step], name="before")
    pipeline.save_pretrained(tmp_path)
    assert NAME in (tmp_path / "before.json").read_text()
    again = PolicyProcessorPipeline.from_pretrained(
        tmp_path, config_filename="before.json", overrides={NAME: {"memory": memory}}
    )
    assert again.steps == [step]
    given = {**tiny_policies.seen(0), "task": "bring the red mug"}
    assert again(given)["task"] == pipeline(given)["task"]


def test_its_cameras_are_among_the_features() -> None:
    before = {PipelineFeatureType.OBSERVATION: tiny_policies.features()["input_features"]}
    after = MemoryContextStep(cameras=["memory_0"]).transform_features(before)
    added = after[PipelineFeatureType.OBSERVATION]["observation.images.memory_0"]
    assert added.type is FeatureType.VISUAL
    assert added.shape == (3, tiny_policies.SIDE_PX, tiny_policies.SIDE_PX)
    assert "observation.images.memory_0" not in before[PipelineFeatureType.OBSERVATION]


def test_a_policy_acts_on_words_and_views_of_the_memory(memory: RobotMemory, tmp_path: Path) -> None:
    config = RememberingConfig.around(
        tiny_policies.smolvla(tmp_path, **tiny_policies.features(("front", "memory_0"))),
        memory_cameras=["memory_0"], tells_task=True, num_slots=1,
    )  # fmt: skip
    policy = RememberingPolicy(config)
    before, _ = make_pre_post_processors(config)
    actions = []
    for known in (None, memory):
        before.steps[0].memory = known
        torch.manual_seed(0)
        actions.append(policy.select_action(before({**tiny_policies.seen(0), "task": "bring the red mug"})))
        policy.reset()
    assert actions[0].shape == (1, 2)
    assert not torch.equal(*actions)
