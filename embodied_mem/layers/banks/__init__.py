"""Banks: what a policy itself saw and understood, remembered as tokens (torch; batched by slot; timed in seconds).

`PerceptualBank` is MemoryVLA's perceptual-cognitive bank, `ChunkMemory` keeps long spans as chunks with summaries,
`GatedMemory` is GTrXL's, whose layers look back some steps, `NeuralMemory` is a network that learns what it sees, `SelectiveBank` writes only what a tracker vouches for,
`HypothesisTree` keeps several memories while a target is in doubt, `KeySetBank` keeps single features, and `TargetMemory`
keeps the look of one target. All follow the `Bank` protocol: `step(tokens, stamp_ns, slots)`,
`newest(slot, num)`, `reset(slots)`, `state_dict()`, `bytes()`; `embodied_mem.testing.bank_contract.check_bank` checks it.
"""

from embodied_mem.layers.banks.chunks import ChunkMemory, ChunkMemoryConfig
from embodied_mem.layers.banks.config import PerceptualBankConfig, memoryvla_plus
from embodied_mem.layers.banks.gated import GatedMemory, GatedMemoryConfig
from embodied_mem.layers.banks.hypotheses import Chosen, HypothesisTree, HypothesisTreeConfig
from embodied_mem.layers.banks.key_set import KeySetBank, KeySetBankConfig
from embodied_mem.layers.banks.neural import NeuralMemory, NeuralMemoryConfig
from embodied_mem.layers.banks.perceptual import PerceptualBank
from embodied_mem.layers.banks.protocol import Bank, Newest, Source
from embodied_mem.layers.banks.selective import SelectiveBank, SelectiveBankConfig, Sighting
from embodied_mem.layers.banks.snapshot import memory_arrays, restore_memory
from embodied_mem.layers.banks.target import TargetMemory, TargetMemoryConfig
from embodied_mem.layers.banks.weights import from_memoryvla

__all__ = [
    "Bank",
    "Chosen",
    "ChunkMemory",
    "ChunkMemoryConfig",
    "GatedMemory",
    "GatedMemoryConfig",
    "HypothesisTree",
    "HypothesisTreeConfig",
    "KeySetBank",
    "KeySetBankConfig",
    "NeuralMemory",
    "NeuralMemoryConfig",
    "Newest",
    "PerceptualBank",
    "PerceptualBankConfig",
    "SelectiveBank",
    "SelectiveBankConfig",
    "Sighting",
    "Source",
    "TargetMemory",
    "TargetMemoryConfig",
    "from_memoryvla",
    "memory_arrays",
    "memoryvla_plus",
    "restore_memory",
]
