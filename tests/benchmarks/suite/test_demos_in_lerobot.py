"""LeRobot's own reader opens the demonstrations that were written without it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lerobot", reason="LeRobot is not installed; run `make test-lerobot`")

import torch
from lerobot.datasets.lerobot_dataset import LeRobotDataset

from embodied_mem.benchmarks.suite.demos import read_demos, record_demos

pytestmark = [pytest.mark.lerobot, pytest.mark.mujoco]


def test_lerobot_reads_every_step_as_it_was_recorded(tmp_path: Path) -> None:
    folder = tmp_path / "demos"
    record_demos("ReopenDrawer", range(3), folder, cameras=("front", "top"), image_size=(32, 48))
    dataset = LeRobotDataset("embodied_mem/demos", root=folder)
    demos = list(read_demos(folder))
    assert (dataset.num_episodes, dataset.num_frames) == (3, sum(len(demo.action) for demo in demos))
    steps = [(demo, t) for demo in demos for t in range(len(demo.action))]
    for index, (demo, t) in enumerate(steps):
        item = dataset[index]
        assert item["task"] == demo.instruction
        np.testing.assert_array_equal(item["action"].numpy(), demo.action[t])
        np.testing.assert_array_equal(item["observation.state"].numpy(), demo.state[t])
        for camera, rgb in demo.rgb.items():
            seen = (item[f"observation.images.{camera}"] * 255).round().byte().permute(1, 2, 0)
            np.testing.assert_array_equal(seen.numpy(), rgb[t])


def test_lerobot_batches_chunks_of_actions_and_normalises_with_our_statistics(tmp_path: Path) -> None:
    folder = tmp_path / "demos"
    record_demos("RememberColor3", range(4), folder, image_size=(32, 32))
    demos = list(read_demos(folder))
    dataset = LeRobotDataset(
        "embodied_mem/demos", root=folder, episodes=[1, 3], delta_timestamps={"action": [0.0, 1.0, 2.0]}
    )
    assert len(dataset) == len(demos[1].action) + len(demos[3].action)
    batch = next(iter(torch.utils.data.DataLoader(dataset, batch_size=4)))
    assert batch["action"].shape == (4, 3, 4)
    np.testing.assert_array_equal(batch["action"][0].numpy(), demos[1].action[:3])
    everything = np.concatenate([demo.action for demo in demos])
    np.testing.assert_allclose(dataset.meta.stats["action"]["mean"], everything.mean(axis=0), atol=1e-6)
