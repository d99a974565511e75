"""Published weights come in under our names."""

from __future__ import annotations

import pytest
import torch

from embodied_mem.errors import ConfigError
from embodied_mem.layers.banks import PerceptualBank, PerceptualBankConfig, from_memoryvla
from embodied_mem.layers.banks.weights import MEMORYVLA_NAMES, MEMORYVLA_PLUS_NAMES


def published(bank: PerceptualBank, names: dict[str, str], role: str = "") -> dict[str, torch.Tensor]:
    """The bank's own weights as a published state_dict would name them."""
    state, weights = {}, bank.weights.state_dict()
    for theirs, ours in names.items():
        for i in range(bank.config.num_layers if "{i}" in theirs else 1):
            for parameter in ("weight", "bias"):
                name = f"{theirs.format(i=i, role=role)}.{parameter}"
                state[name] = weights[f"{ours.format(i=i)}.{parameter}"]
    return state


def test_every_weight_has_a_published_name_and_comes_back() -> None:
    bank = PerceptualBank(PerceptualBankConfig(token_width=8))
    state = published(bank, MEMORYVLA_NAMES)
    assert len(state) == len(list(bank.weights.parameters()))
    other = PerceptualBank(PerceptualBankConfig(token_width=8))
    other.weights.load_state_dict(from_memoryvla(state))
    for name, value in bank.weights.state_dict().items():
        assert torch.equal(value, other.weights.state_dict()[name])


def test_a_role_of_memoryvla_plus_is_picked_out() -> None:
    perceptual, cognitive = (
        PerceptualBank(PerceptualBankConfig(token_width=8)),
        PerceptualBank(PerceptualBankConfig(token_width=12)),
    )
    state = published(perceptual, MEMORYVLA_PLUS_NAMES, "per") | published(
        cognitive, MEMORYVLA_PLUS_NAMES, "cog"
    )
    cognitive.weights.load_state_dict(from_memoryvla(state, role="cog"))
    assert from_memoryvla(state, role="per").keys() == perceptual.weights.state_dict().keys()


def test_an_unknown_weight_and_a_missing_role_are_refused() -> None:
    with pytest.raises(ConfigError, match="q_proj"):
        from_memoryvla({"retrieval_blocks.0.q_prj.weight": torch.zeros(2, 2)})
    with pytest.raises(ConfigError, match="role"):
        from_memoryvla({"retrieval_blocks.0.q_proj.weight": torch.zeros(2, 2)}, role="per")
