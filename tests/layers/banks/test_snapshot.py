"""A policy acts after a restart as if it had not stopped."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from embodied_mem.errors import ConfigError, DamagedStore, NewerSchema
from embodied_mem.layers.banks import PerceptualBank, PerceptualBankConfig
from embodied_mem.layers.banks.snapshot import memory_arrays, restore_memory
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


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda arrays: arrays | {"schema_version": np.array(99, dtype=np.int32)}, NewerSchema),
        (lambda arrays: {k: v for k, v in arrays.items() if k != "kind"}, DamagedStore),
        (lambda arrays: {k: v for k, v in arrays.items() if k != "entries.keys"}, DamagedStore),
        (lambda arrays: arrays | {"entries.count": arrays["entries.count"].astype(np.float32)}, DamagedStore),
        (lambda arrays: arrays | {"kind": np.array("ChunkMemory")}, ConfigError),
    ],
    ids=["newer", "no header", "an array missing", "an array of another type", "another kind"],
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
