"""A bank's step as one graph, for runtimes without this package: `torch.export`, memory included.

The graph's memory lies in its buffers, as the bank's does; it starts where the bank stood when it was exported. What
Python checks before a step (shapes, NaN, slots, time) is not in the graph: its caller must keep to it. Neither is what a bank
may be told besides its tokens. ONNX graphs have no buffers that a run can change; what to do there is in
docs/decisions/0011-perceptual-bank.md, and what to do with the banks that are not exported in 0012-one-protocol-for-banks.md.
"""

from __future__ import annotations

import copy

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.export import ExportedProgram

from embodied_mem.layers.banks.admission import NEVER, Admitted
from embodied_mem.layers.banks.chunks import ChunkMemory
from embodied_mem.layers.banks.gated import GatedMemory
from embodied_mem.layers.banks.key_set import KeySetBank
from embodied_mem.layers.banks.neural import NeuralMemory
from embodied_mem.layers.banks.perceptual import PerceptualBank
from embodied_mem.layers.banks.target import TargetMemory

Exportable = PerceptualBank | ChunkMemory | GatedMemory | KeySetBank | NeuralMemory | TargetMemory
"""Banks whose step has no branches on data once it is compiled."""


class AllSlotsStep(nn.Module):
    """A step of all slots at once, without checks: (slots, n, d) tokens and (slots,) stamps in, fused tokens out."""

    def __init__(self, bank: Exportable) -> None:
        super().__init__()
        self.bank = bank

    def forward(self, tokens: Float[Tensor, "s n d"], stamp_ns: Int64[Tensor, "s"]) -> Tensor:
        clock = self.bank.clock
        start = torch.where(clock.start_ns == NEVER, stamp_ns, clock.start_ns)
        slots = torch.arange(len(tokens), device=tokens.device)
        return self.bank.take(tokens, Admitted(slots, stamp_ns, (stamp_ns - start).double() / 1e9))


def export_step(bank: Exportable) -> ExportedProgram:
    """`AllSlotsStep` of a copy of the bank as an exported program: `.module()(tokens, stamp_ns)` runs it.

    Save it with `torch.export.save`, also for C++ by way of AOTInductor.
    """
    config = bank.config
    copied = copy.deepcopy(bank).eval().requires_grad_(False)
    tokens = torch.zeros(config.num_slots, config.num_tokens, config.token_width)
    stamps = torch.zeros(config.num_slots, dtype=torch.int64)
    return torch.export.export(AllSlotsStep(copied), (tokens, stamps))
