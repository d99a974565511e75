"""An exported bank goes on as the bank does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from embodied_mem.layers.banks import PerceptualBank, memoryvla_plus
from embodied_mem.layers.banks.exporting import export_step
from tests.layers.banks.makers import made

SECOND_NS = 10**9


def test_an_exported_step_goes_on_as_the_bank_does_and_leaves_it_alone(tmp_path: Path) -> None:
    published = memoryvla_plus(num_slots=2, num_tokens=2, token_width=8, capacity=5)
    config = replace(published, num_layers=1, top_entries=2, exact_up_to=3)
    torch.manual_seed(0)
    bank = PerceptualBank(config)
    stream = torch.randn(10, config.num_slots, config.num_tokens, config.token_width)
    with torch.no_grad():
        bank.step(stream[0], 7 * SECOND_NS)
        torch.export.save(export_step(bank), tmp_path / "bank.pt2")
        exported = torch.export.load(tmp_path / "bank.pt2").module()
        for i, tokens in enumerate(stream[1:], start=8):  # fills the bank, then merges
            stamps = torch.full((config.num_slots,), i * SECOND_NS)
            before = {name: value.clone() for name, value in bank.state_dict().items()}
            output = exported(tokens, stamps)
            assert all(torch.equal(before[name], value) for name, value in bank.state_dict().items())
            assert torch.allclose(output, bank.step(tokens, i * SECOND_NS), atol=1e-5)


@pytest.mark.parametrize("kind", ["chunks", "gated", "key set", "neural", "target", "selective"])
def test_other_banks_exported_from_empty_go_on_as_they_do(kind: str) -> None:
    bank: Any = made(kind)
    exported = export_step(bank.bank if kind == "selective" else bank).module()
    with torch.no_grad():
        for second, tokens in enumerate(torch.randn(8, 2, 2, 8), start=3):
            output = exported(tokens, torch.full((2,), second * SECOND_NS))
            assert torch.allclose(output, bank.step(tokens, second * SECOND_NS), atol=1e-5)
