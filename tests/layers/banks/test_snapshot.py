"""A policy acts after a restart as if it had not stopped."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from embodied_mem.errors import ConfigError, DamagedStore, NewerSchema
from embodied_mem.layers.banks import (
    HypothesisTree,
    PerceptualBank,
    PerceptualBankConfig,
    SelectiveBank,
    Sighting,
    TargetMemory,
)
from embodied_mem.layers.banks.snapshot import HEADER, memory_arrays, restore_memory
from tests.layers.banks.makers import MAKERS, made

SECOND_NS = 10**9


def run(bank: nn.Module, first: int, last: int) -> list[torch.Tensor]:
    stream = torch.randn(12, 2, 2, 8, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        return [bank.step(stream[i], i * SECOND_NS).clone() for i in range(first, last)]  # type: ignore[operator]


@pytest.mark.parametrize("kind", MAKERS)
def test_outputs_after_a_save_and_a_load_are_bit_equal(kind: str, tmp_path: Path) -> None:
    went_on, resumed = made(kind), made(kind)
    run(went_on, 0, 6)
    np.savez(tmp_path / "bank.npz", **memory_arrays(went_on))  # type: ignore[arg-type]
    with np.load(tmp_path / "bank.npz", allow_pickle=False) as arrays:
        restore_memory(resumed, arrays)
    assert resumed.sources(1) == went_on.sources(1)  # type: ignore[operator]
    assert all(torch.equal(a, b) for a, b in zip(run(went_on, 6, 12), run(resumed, 6, 12), strict=True))
    assert resumed.sources(1) == went_on.sources(1)  # type: ignore[operator]
    newest = (bank.newest(1, 10) for bank in (resumed, went_on))  # type: ignore[operator]
    assert all(torch.equal(a, b) for a, b in zip(*newest, strict=True))


def test_a_restored_tree_offers_and_chooses_as_the_one_that_went_on() -> None:
    trees = [made("hypotheses"), made("hypotheses")]
    candidates = torch.randn(6, 2, 2, 3, 2, 8, generator=torch.Generator().manual_seed(2))
    quality = torch.rand(6, 2, 2, 3, generator=torch.Generator().manual_seed(3))

    def offered(tree: nn.Module, first: int, last: int) -> list[torch.Tensor]:
        given = []
        for i in range(first, last):
            given.append(tree.branch(candidates[i, :, 0, 0], i * SECOND_NS))  # type: ignore[operator]
            given += tree.choose(candidates[i], quality[i], torch.tensor([9.0, 0.5]))  # type: ignore[operator]
        return given

    with torch.no_grad():
        offered(trees[0], 0, 3)
        restore_memory(trees[1], memory_arrays(trees[0]))
        both = zip(*(offered(tree, 3, 6) for tree in trees), strict=True)
    assert all(torch.equal(a, b) for a, b in both)


def test_another_process_goes_on_bit_equal(tmp_path: Path) -> None:
    bank = PerceptualBank(PerceptualBankConfig(num_tokens=4, token_width=16, capacity=3))
    torch.save(bank.weights.state_dict(), tmp_path / "weights.pt")
    stream = torch.randn(8, 1, 4, 16)
    torch.save(stream, tmp_path / "stream.pt")
    outputs = []
    with torch.no_grad():
        for i, tokens in enumerate(stream):
            if i == 5:
                np.savez(tmp_path / "bank.npz", **memory_arrays(bank))  # type: ignore[arg-type]
            outputs.append(bank.step(tokens, i * SECOND_NS))
    code = (
        "import sys, numpy as np, torch\n"
        "from embodied_mem.layers.banks import PerceptualBank, PerceptualBankConfig\n"
        "from embodied_mem.layers.banks.snapshot import restore_memory\n"
        "folder = sys.argv[1]\n"
        "bank = PerceptualBank(PerceptualBankConfig(num_tokens=4, token_width=16, capacity=3))\n"
        "bank.weights.load_state_dict(torch.load(folder + '/weights.pt'))\n"
        "restore_memory(bank, np.load(folder + '/bank.npz'))\n"
        "stream = torch.load(folder + '/stream.pt')\n"
        "with torch.no_grad():\n"
        "    rest = [bank.step(stream[i], i * 10**9) for i in range(5, 8)]\n"
        "torch.save(torch.stack(rest), folder + '/rest.pt')\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert torch.equal(torch.load(tmp_path / "rest.pt"), torch.stack(outputs[5:]))


def step_with_everything(bank: nn.Module, second: int) -> None:
    """A step with all that this kind of bank can be told, so that none of its arrays stays as it was made."""
    told: dict[str, object] = {}
    if isinstance(bank, HypothesisTree):
        with torch.no_grad():
            bank.branch(torch.randn(2, 2, 8), second * SECOND_NS)
            bank.choose(torch.randn(2, 2, 3, 2, 8), torch.rand(2, 2, 3), torch.ones(2))
    if isinstance(bank, SelectiveBank):
        ones, boxes_px = torch.ones(2), torch.tensor([[1.0, 2.0, 5.0, 9.0]]).repeat(2, 1)
        told["sighting"] = Sighting(mask_quality=ones, object_score=ones, box_px=boxes_px)
    if isinstance(bank, TargetMemory):
        told["bearing_range"] = torch.ones(2, 2)
    with torch.no_grad():
        bank.step(torch.randn(2, 2, 8), (second + 1) * SECOND_NS, **told)  # type: ignore[operator]


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("resets", [[None], [[1], [0]]], ids=["all at once", "slot by slot"])
def test_nothing_of_what_was_reset_is_saved(kind: str, resets: list[list[int] | None]) -> None:
    new, bank = memory_arrays(made(kind)), made(kind)
    for second in range(8):
        step_with_everything(bank, second)
    used = memory_arrays(bank)
    same = {name for name in new if np.array_equal(new[name], used[name])} - {*HEADER}
    assert same <= {"bank.entries.similarity"}  # of which a bank of recent entries makes no use
    for slots in resets:
        bank.reset(slots)  # type: ignore[operator]
    left = memory_arrays(bank)
    assert [name for name in new if not np.array_equal(new[name], left[name])] == []


@pytest.mark.parametrize("kind", MAKERS)
def test_a_reset_leaves_the_other_slots_as_they_are(kind: str) -> None:
    bank, whole = made(kind), made(kind)
    for one in (bank, whole):
        run(one, 0, 5)
    bank.reset([1])  # type: ignore[operator]
    newest = (one.newest(0, 10) for one in (bank, whole))  # type: ignore[operator]
    assert all(torch.equal(a, b) for a, b in zip(*newest, strict=True))
    tokens = torch.randn(1, 2, 8)
    with torch.no_grad():
        outputs = [one.step(tokens, 5 * SECOND_NS, [0]) for one in (bank, whole)]  # type: ignore[operator]
    assert torch.equal(*outputs)
    assert bank.sources(0) == whole.sources(0)  # type: ignore[operator]


class CountingBank(PerceptualBank):
    """Somebody's bank that remembers what checkpoints leave out."""

    num_taken: torch.Tensor

    def __init__(self) -> None:
        super().__init__(PerceptualBankConfig(num_tokens=2, token_width=8, capacity=3))
        self.register_buffer("num_taken", torch.zeros(1, dtype=torch.int64), persistent=False)

    def take(self, *given: Any, **more: Any) -> torch.Tensor:
        self.num_taken += 1
        return super().take(*given, **more)


def test_what_checkpoints_leave_out_is_restored_too() -> None:
    torch.manual_seed(0)
    went_on = CountingBank()
    resumed = copy.deepcopy(went_on)
    with torch.no_grad():
        for second in range(4):
            went_on.step(torch.randn(1, 2, 8), second * SECOND_NS)
    assert "num_taken" not in went_on.state_dict()
    saved = memory_arrays(went_on)
    restore_memory(resumed, saved)
    assert int(resumed.num_taken) == 4
    restored = memory_arrays(resumed)
    assert all(np.array_equal(saved[name], restored[name]) for name in saved)


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        *(
            (lambda arrays, version=version: arrays | {"schema_version": np.array(version)}, DamagedStore)
            for version in ("one", 1.5, float("nan"), 0, -1, [1, 1], [])
        ),
        (lambda arrays: arrays | {"schema_version": np.array(99, dtype=np.int32)}, NewerSchema),
        (lambda arrays: {k: v for k, v in arrays.items() if k != "kind"}, DamagedStore),
        (lambda arrays: {k: v for k, v in arrays.items() if k != "entries.keys"}, DamagedStore),
        (lambda arrays: arrays | {"entries.count": arrays["entries.count"].astype(np.float32)}, DamagedStore),
        (lambda arrays: arrays | {"kind": np.array("ChunkMemory")}, ConfigError),
    ],
    ids=[
        *("not a schema " + what for what in ("word", "fraction", "nan", "zero", "negative", "two", "none")),
        "newer",
        "no header",
        "an array missing",
        "an array of another type",
        "another kind",
    ],
)
def test_what_cannot_be_restored_changes_nothing(
    spoil: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]], error: type[Exception]
) -> None:
    saved, bank = made("perceptual"), made("perceptual")
    run(saved, 0, 4)
    run(bank, 0, 2)
    before = memory_arrays(bank)
    with pytest.raises(error):
        restore_memory(bank, spoil(memory_arrays(saved)))
    after = memory_arrays(bank)
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_memories_made_with_other_weights_are_refused() -> None:
    with pytest.raises(ConfigError, match="other weights"):
        restore_memory(made("perceptual", seed=1), memory_arrays(made("perceptual", seed=0)))
