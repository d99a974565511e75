"""Our tasks and policy in vla-eval; skipped where that harness is not installed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from embodied_mem.errors import ConfigError, InvalidMessage

pytest.importorskip("vla_eval", reason="pip install vla-eval")
pytestmark = pytest.mark.mujoco


def test_an_expert_solves_a_task_through_the_harness() -> None:
    from embodied_mem.benchmarks.vla_harness import MemoryTasks
    from embodied_mem.envs.mujoco.tabletop.expert import ScriptedExpert

    tasks = MemoryTasks(["RememberColor3"], image_size=(32, 32), cameras=("front", "top"))
    (task,) = tasks.get_tasks()

    async def play() -> tuple[dict, dict]:
        await tasks.start_episode({**task, "episode_idx": 3})
        seen = await tasks.get_observation()
        expert = ScriptedExpert(tasks._env.unwrapped.episode)
        while not await tasks.is_done():
            await tasks.apply_action({"actions": expert.act()})
        return seen, await tasks.get_result()

    seen, result = asyncio.run(play())
    assert result == {"success": True, "failure": ""}
    assert set(seen["images"]) == {"front", "top"}
    assert seen["images"]["front"].shape == (32, 32, 3)
    assert "color" in seen["task_description"].lower() or "colour" in seen["task_description"].lower()
    assert seen["state"].shape == (5,)
    with pytest.raises(InvalidMessage, match="it takes 4"):
        tasks.step({"actions": np.zeros(7)})
    tasks.cleanup()


def test_a_task_that_there_is_not_is_refused() -> None:
    from embodied_mem.benchmarks.vla_harness import MemoryTasks

    with pytest.raises(ConfigError, match="Did you mean"):
        MemoryTasks(["RememberColour3"])


def test_a_checkpoint_acts_behind_the_harness(tmp_path: Path) -> None:
    from embodied_mem.benchmarks.policy.run_configs import TrainConfig
    from embodied_mem.benchmarks.policy.tabletop import demonstrate
    from embodied_mem.benchmarks.vla_harness import MemoryPolicyServer, MemoryTasks
    from embodied_mem.policy.training import Trainer, TrainingConfig
    from embodied_mem.policy.training_set import TrainingSet

    config, path = TrainConfig().policy, tmp_path / "checkpoint.pt"
    data = TrainingSet(demonstrate("RememberColor3", range(2)), config)
    Trainer(
        config,
        TrainingConfig(lessons=1, steps=1, batch_size=2),
        data,
        seed=0,
        about={"task": "RememberColor3"},
    ).run(checkpoint=path)
    server, tasks = MemoryPolicyServer(str(path)), MemoryTasks(["RememberColor3"], image_size=(128, 128))
    task = {"name": "RememberColor3", "episode_idx": 0}
    observation = tasks.make_obs(tasks.reset(task), task)
    actions = [server.predict(observation, SimpleNamespace(step=step))["actions"] for step in range(2)]
    assert all(action.shape == (4,) and (np.abs(action) <= 1.0).all() for action in actions)
    with pytest.raises(InvalidMessage, match="looks at"):
        server.predict({**observation, "images": {}}, SimpleNamespace(step=2))
    tasks.cleanup()
