"""A small bank of every kind, for what all of them promise."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from embodied_mem.layers.banks import (
    ChunkMemory,
    ChunkMemoryConfig,
    GatedMemory,
    GatedMemoryConfig,
    HypothesisTree,
    HypothesisTreeConfig,
    KeySetBank,
    KeySetBankConfig,
    NeuralMemory,
    NeuralMemoryConfig,
    PerceptualBank,
    PerceptualBankConfig,
    SelectiveBank,
    SelectiveBankConfig,
    TargetMemory,
    TargetMemoryConfig,
)

SHAPE = {"num_slots": 2, "num_tokens": 2, "token_width": 8}
RECENT = PerceptualBankConfig(**SHAPE, capacity=3, consolidation="recent")
MAKERS: dict[str, Callable[[], nn.Module]] = {
    "perceptual": lambda: PerceptualBank(PerceptualBankConfig(**SHAPE, capacity=3)),
    "chunks": lambda: ChunkMemory(ChunkMemoryConfig(**SHAPE, num_chunks=2, chunk_steps=2, top_chunks=1)),
    "gated": lambda: GatedMemory(GatedMemoryConfig(**SHAPE, memory_steps=3, num_heads=2)),
    "key set": lambda: KeySetBank(KeySetBankConfig(**SHAPE, pool=6, num_keys=4, num_written=2, num_heads=2)),
    "neural": lambda: NeuralMemory(NeuralMemoryConfig(**SHAPE, hidden_width=4)),
    "selective": lambda: SelectiveBank(SelectiveBankConfig(bank=RECENT)),
    "target": lambda: TargetMemory(TargetMemoryConfig(**SHAPE)),
    "hypotheses": lambda: HypothesisTree(HypothesisTreeConfig(bank=RECENT, num_pathways=2)),
}


def made(kind: str, seed: int = 0) -> nn.Module:
    """A bank of this kind, with the same weights for the same seed."""
    torch.manual_seed(seed)
    return MAKERS[kind]()
