"""Banks: what a policy itself saw and understood, remembered as tokens (torch; batched by slot; timed in seconds).

`PerceptualBank` is MemoryVLA's perceptual-cognitive bank. All banks follow the `Bank` protocol:
`step(tokens, stamp_ns, slots)`, `reset(slots)`, `state_dict()`, `bytes()`.
"""

from embodied_mem.layers.banks.config import PerceptualBankConfig, memoryvla_plus
from embodied_mem.layers.banks.perceptual import PerceptualBank
from embodied_mem.layers.banks.protocol import Bank, Source
from embodied_mem.layers.banks.weights import from_memoryvla

__all__ = ["Bank", "PerceptualBank", "PerceptualBankConfig", "Source", "from_memoryvla", "memoryvla_plus"]
