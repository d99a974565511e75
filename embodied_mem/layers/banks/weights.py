"""The learned weights of a perceptual-cognitive bank, shared by its plain and its fast form, and MemoryVLA's names."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from embodied_mem.errors import ConfigError, did_you_mean
from embodied_mem.layers.banks.blocks import (
    GateFusion,
    MeanFusion,
    NarrowWidth,
    RetrievalLayer,
    SameWidth,
    TimeEmbedding,
)
from embodied_mem.layers.banks.config import PerceptualBankConfig, memoryvla_plus

MEMORYVLA_NAMES = {
    "retrieval_blocks.{i}.q_proj": "layers.{i}.query",
    "retrieval_blocks.{i}.k_proj": "layers.{i}.key",
    "retrieval_blocks.{i}.v_proj": "layers.{i}.value",
    "retrieval_blocks.{i}.attn_norm": "layers.{i}.attention_norm",
    "retrieval_blocks.{i}.ffn.0": "layers.{i}.widen",
    "retrieval_blocks.{i}.ffn.2": "layers.{i}.narrow",
    "retrieval_blocks.{i}.ffn_norm": "layers.{i}.output_norm",
    "gate_fusion_blocks.proj": "fusion.gate",
    "timestep_encoder.mlp.0": "time.rise",
    "timestep_encoder.mlp.2": "time.mix",
}
"""MemoryVLA's module names (class CogMemBank, also its PerMemBank) and ours; each has .weight and .bias."""

MEMORYVLA_PLUS_NAMES = {
    "retrieval_blocks.{role}.{i}.q_proj": "layers.{i}.query",
    "retrieval_blocks.{role}.{i}.k_proj": "layers.{i}.key",
    "retrieval_blocks.{role}.{i}.v_proj": "layers.{i}.value",
    "retrieval_blocks.{role}.{i}.attn_norm": "layers.{i}.attention_norm",
    "retrieval_blocks.{role}.{i}.ffn.0": "layers.{i}.widen",
    "retrieval_blocks.{role}.{i}.ffn.3": "layers.{i}.narrow",
    "retrieval_blocks.{role}.{i}.ffn_norm": "layers.{i}.output_norm",
    "gate_fusion_blocks.{role}.proj": "fusion.gate",
    "timestep_embedders.{role}.mlp.0": "time.rise",
    "timestep_embedders.{role}.mlp.2": "time.mix",
}
"""MemoryVLA+'s names (class PerCogMemBank); `role` is per or cog."""


class BankWeights(nn.Module):
    """Time embedding, cross-attention layers, fusion, and projections where tokens are wider than what is stored."""

    def __init__(self, config: PerceptualBankConfig) -> None:
        super().__init__()
        width = config.width
        self.time = TimeEmbedding(config.frequencies, width)
        self.layers = nn.ModuleList(RetrievalLayer(width) for _ in range(config.num_layers))
        self.fusion: GateFusion | MeanFusion = GateFusion(width) if config.fusion == "gate" else MeanFusion()
        is_same = width == config.token_width
        self.width: SameWidth | NarrowWidth = (
            SameWidth() if is_same else NarrowWidth(config.token_width, width)
        )

    def retrieval_layers(self) -> list[RetrievalLayer]:
        """The layers in order."""
        return [layer for layer in self.layers if isinstance(layer, RetrievalLayer)]


def from_memoryvla(state: Mapping[str, Tensor], *, role: str | None = None) -> dict[str, Tensor]:
    """Published weights under our names, for `bank.weights.load_state_dict`; then call `bank.refresh()`.

    `state` is the state_dict of MemoryVLA's CogMemBank or PerMemBank; with `role` ("per" or "cog") that of
    MemoryVLA+'s PerCogMemBank, whose other role is left out.

    Weights without a time embedding (`use_timestep_pe=False`) get one that is zero at every time. How wide its waves are
    does not matter to it; it fits a bank whose `time_width` is the published one (as of `PerceptualBankConfig` and
    `memoryvla_plus` by default).

    Raises:
        ConfigError: a name that neither code base has; for MemoryVLA+, a role that the weights lack.
    """
    names = MEMORYVLA_NAMES if role is None else MEMORYVLA_PLUS_NAMES
    translated = {}
    for name, value in state.items():
        if role is not None and f".{role}." not in name:
            continue
        translated[_our_name(name, names, role or "")] = value.detach().to(torch.float32)
    if not translated:
        raise ConfigError(
            f"no weight of role {role!r} among {sorted(state)[:4]}...; MemoryVLA+ has the roles 'per' and 'cog', and "
            "MemoryVLA has none: leave role out."
        )
    if "layers.0.query.weight" in translated and not any(name.startswith("time.") for name in translated):
        translated |= _no_time(len(translated["layers.0.query.weight"]), is_plus=role is not None)
    return translated


def _no_time(width: int, *, is_plus: bool) -> dict[str, Tensor]:
    """The weights of a time embedding that is zero at every time."""
    of_published = memoryvla_plus(token_width=width) if is_plus else PerceptualBankConfig(token_width=width)
    return {
        "time.rise.weight": torch.zeros(width, of_published.frequencies), "time.rise.bias": torch.zeros(width),
        "time.mix.weight": torch.zeros(width, width), "time.mix.bias": torch.zeros(width),
    }  # fmt: skip


def _our_name(name: str, names: Mapping[str, str], role: str) -> str:
    module, _, parameter = name.rpartition(".")
    parts = module.split(".")
    layer = next((part for part in parts[1:] if part.isdigit()), "")
    for theirs, ours in names.items():
        if theirs.format(i=layer, role=role) == module:
            return f"{ours.format(i=layer)}.{parameter}"
    known = [theirs.format(i=0, role=role) for theirs in names]
    raise ConfigError(
        f"{name!r} is no weight of a MemoryVLA bank; have {known}.{did_you_mean(module, known)}"
    )
