"""Memory for a policy that was made without one: a bank behind one of its modules, by a forward hook.

    memory = MemoryAdapter(bank, num_channels=256).attach(policy.vision_encoder)
    with memory.at(frame.stamp_ns):
        action = policy(observation)

The adapter adds gate * (what the bank makes of the tokens - the tokens). The gate starts at zero, so a policy acts at
first exactly as it did without memory, and training opens it (as in Flamingo, arXiv 2204.14198, section 3.1.2).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from embodied_mem.errors import InvalidMessage
from embodied_mem.policy.module_tokens import tokens_of, with_tokens

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

    from embodied_mem.layers.banks.protocol import Bank, Slots, Stamps


class _Moment(NamedTuple):
    stamp_ns: Stamps
    slots: Slots


class MemoryAdapter(nn.Module):
    """A bank and its gate, to be attached to a module that gives tokens (b, n, d), alone, first in a tuple or as
    `last_hidden_state` (transformers).

    The policy's own weights, buffers and state_dict stay as they are; the adapter's are here (train them, save them, with
    the bank's). `detach()` leaves the policy exactly as it was. The bank is float32 also behind a module of another
    precision (bfloat16, float16, autocast), which is given its own back.
    """

    def __init__(self, bank: Bank, *, num_channels: int) -> None:
        super().__init__()
        if not isinstance(bank, nn.Module):
            raise InvalidMessage(
                f"the bank is a {type(bank).__name__}; it must be a torch module with a bank's step."
            )
        self.bank = bank
        self.gate = nn.Parameter(torch.zeros(num_channels))
        self._handle: RemovableHandle | None = None
        self._moment: _Moment | None = None

    @property
    def is_attached(self) -> bool:
        """Whether some module's tokens go through this memory."""
        return self._handle is not None

    def attach(self, module: nn.Module) -> MemoryAdapter:
        """From now on the tokens that `module` gives pass through the memory.

        Raises:
            InvalidMessage: it is attached already.
        """
        if self._handle is not None:
            raise InvalidMessage(
                "this memory is attached to a module already; detach() it first, or make another."
            )
        self._handle = module.register_forward_hook(self._pass)
        return self

    def detach(self) -> None:
        """Take the memory out again; nothing of it stays in the policy. Without effect when it is not attached."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    @contextmanager
    def at(self, stamp_ns: Stamps, slots: Slots = None) -> Iterator[None]:
        """The time, and the slots, of what the policy is given in this block; each forward pass is one step."""
        self._moment = _Moment(stamp_ns, slots)
        try:
            yield
        finally:
            self._moment = None

    def reset(self, slots: Slots = None) -> None:
        """Begin new episodes in these slots."""
        self.bank.reset(slots)

    def forward(self, tokens: Tensor) -> Tensor:
        """The tokens with what is remembered of them, as far as the gate is open; then they are remembered.

        Raises:
            InvalidMessage: outside `at`, no floating-point tokens of this width, or as the bank's `step` raises.
        """
        if self._moment is None:
            raise InvalidMessage(
                "the policy was called without a time; call it within `with memory.at(stamp_ns):`, or detach() the memory."
            )
        if tokens.shape[-1:] != self.gate.shape or not tokens.is_floating_point():
            raise InvalidMessage(
                f"the module gives {tuple(tokens.shape)} of {tokens.dtype}, the adapter was made for num_channels={len(self.gate)}; attach it "
                "to the module that gives tokens (b, n, d), or make it with that many channels."
            )
        with torch.autocast(tokens.device.type, enabled=False):
            rows = tokens.float()
            added: Tensor = torch.tanh(self.gate) * (self.bank.step(rows, *self._moment) - rows)
        return tokens + added.to(tokens.dtype)

    def _pass(self, module: nn.Module, _: Any, output: Any) -> Any:
        tokens = tokens_of(output)
        if tokens is None:
            raise InvalidMessage(
                f"{type(module).__name__} gives a {type(output).__name__}; the memory can be attached to modules that give "
                "tokens, alone, first in a tuple or as `last_hidden_state`. Attach it to the layer below."
            )
        return with_tokens(output, self(tokens))
