"""`train` and `eval` from their YAML files: a checkpoint, then episodes with it, on a real task."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("hydra")

from click.testing import CliRunner
from PIL import Image

from embodied_mem.benchmarks.policy.closed_loop import Outcome
from embodied_mem.benchmarks.policy.experiments import followed
from embodied_mem.benchmarks.policy.loss_curve import loss_curve
from embodied_mem.benchmarks.policy.run_configs import TrainConfig
from embodied_mem.cli import compose
from embodied_mem.cli.main import cli
from embodied_mem.errors import ConfigError, StoreError

TINY = [
    "demos=3",
    "training.lessons=2",
    "training.steps=2",
    "training.batch_size=4",
    "expert.width=16",
    "expert.num_blocks=2",
]


def invoke(*words: str) -> dict[str, object]:
    result = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found: dict[str, object] = json.loads(result.stdout)
    return found


@pytest.mark.mujoco
def test_a_policy_is_trained_evaluated_and_trained_on(tmp_path: Path) -> None:
    out, checkpoint = f"out={tmp_path}", f"checkpoint={tmp_path}/checkpoint.pt"
    trained = invoke("train", "--json", *TINY, out)
    assert trained["steps"] == 4
    assert trained["task"] == "RearrangeBlock"
    with Image.open(str(trained["curve"])) as curve:
        assert curve.width > curve.height > 100
    common = ("episodes=4", "at_once=4", checkpoint, f"out={tmp_path}/eval")
    scored = invoke("eval", "--json", *common)
    assert scored["episodes"] == 4
    assert scored["chance"] == 0.5
    assert json.loads((tmp_path / "eval" / "result.json").read_text()) == scored
    read = (
        CliRunner().invoke(cli, ["eval", *common], catch_exceptions=False).stdout
    )  # as in a terminal of 80 columns
    failures = [f"failed_{name}" for name in ("recall", "motor", "no_commit")]
    assert [name for name in ("success", "committed", *failures) if name not in read] == []
    assert sum(int(str(scored[name])) for name in failures) == round(4 * (1 - float(str(scored["success"]))))
    swapped = invoke("eval", "--json", "swap=true", "num_blocks=1", "delay=3", *common)
    assert swapped["delay"] == 3
    assert invoke("train", "--json", *TINY, out)["loss"] == trained["loss"]  # nothing was left to do
    with pytest.raises(ConfigError, match="batch_size"):
        CliRunner().invoke(cli, ["train", *TINY, "training.batch_size=2", out], catch_exceptions=False)
    with pytest.raises(ConfigError, match="blocks 1 to 2"):
        CliRunner().invoke(cli, ["eval", "num_blocks=3", *common], catch_exceptions=False)


@pytest.mark.parametrize("num_lessons", [0, 30, 50])
def test_lessons_and_acting_are_drawn_apart(num_lessons: int) -> None:
    losses = np.geomspace(1.0, 0.01, 50).tolist()
    whole = loss_curve(losses, 0)
    picture = loss_curve(losses, num_lessons)
    assert picture.shape == whole.shape
    blank = (picture == 255).all(axis=(0, 2))  # columns with nothing on them
    middle = slice(len(blank) // 2 - 60, len(blank) // 2 + 20)
    assert blank[middle].any() == (0 < num_lessons < 50)
    assert loss_curve([0.0, 1.0], 1).shape == whole.shape  # a loss of 0 has no logarithm


def test_without_a_checkpoint_the_command_that_makes_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"embodied-mem train out="):
        CliRunner().invoke(cli, ["eval", f"checkpoint={tmp_path}/none.pt"], catch_exceptions=False)


def test_the_bank_is_chosen_by_its_name() -> None:
    config = compose.load(TrainConfig, "train", ["bank=fifo", "capacity=4", "seed=2"])
    assert config.policy.bank == "fifo"
    assert config.policy.bank_config(num_slots=1, is_cognitive=False).capacity == 4
    with pytest.raises(ConfigError, match="Did you mean 'merge'"):
        compose.load(TrainConfig, "train", ["bank=merg"])


def test_a_swapped_memory_is_followed_when_the_other_ones_choice_is_made() -> None:
    def outcome(right: int, chosen: int) -> Outcome:
        return Outcome(seed=0, success=False, failure="", right=right, chosen=chosen, num_steps=1)

    outcomes = [outcome(0, 1), outcome(1, 0), outcome(2, 2), outcome(2, 2), outcome(0, 0), outcome(1, 0)]
    assert followed(outcomes, at_once=6) == pytest.approx(3 / 4)
