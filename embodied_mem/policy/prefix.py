"""Memory as tokens before a policy's own: context in, tokens of the policy's width out, by pre-forward hook.

prefix = PrefixTokens(width=768, vector_width=context.entities.vectors.shape[1]).attach(policy.vision_encoder)
with prefix.of(context):
    action = policy(observation)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from embodied_mem.errors import InvalidMessage
from embodied_mem.layers.banks.blocks import TimeEmbedding
from embodied_mem.messages import Context
from embodied_mem.policy.module_tokens import tokens_of, with_tokens
from embodied_mem.policy.seam import Contexts, context_of

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

NUM_FREQUENCIES = 32


class PrefixTokens(nn.Module):
    """Entities and bank entries of a context as tokens (b, m, d), and, attached, in front of a module's own tokens.

    A token is what it looks like, projected, plus its place, its age and its rank for the instruction. Without anything to tell a row has one token, a
    learned "nothing", so that attention over it is defined. `attach` a module that takes tokens (b, n, d) first and gives
    tokens (b, n, d), alone, first in a tuple or as `last_hidden_state` (transformers): the prefix is put in front of what goes in and cut from what comes out. Padding attends and is attended
    to as the "nothing" token, since modules differ in how they take masks. The prefix takes on the precision of the module's
    own tokens.
    """

    def __init__(
        self,
        *,
        width: int,
        vector_width: int,
        bank_widths: dict[str, int] | None = None,
        num_tokens: int = 32,
    ) -> None:
        """`vector_width` is that of `EntityTokens.vectors`, `bank_widths` that of each bank's tokens by name."""
        super().__init__()
        self.num_tokens = num_tokens
        self.vector_width = vector_width
        self.looks = nn.Linear(vector_width, width)
        self.places = nn.Linear(4, width)
        self.banks = nn.ModuleDict({name: nn.Linear(w, width) for name, w in (bank_widths or {}).items()})
        self.ages = TimeEmbedding(NUM_FREQUENCIES, width)
        self.ranks = nn.Parameter(torch.randn(num_tokens, width) * 0.02)
        self.nothing = nn.Parameter(torch.zeros(width))
        self._handles: list[RemovableHandle] = []
        self._prefix: Tensor | None = None

    def forward(
        self, contexts: Sequence[Context | None]
    ) -> tuple[Float[Tensor, "b m d"], Bool[Tensor, "b m"]]:
        """Each context's tokens, the most relevant first, and which of them tell something.

        Raises:
            InvalidMessage: vectors or bank tokens of another width than this was made for.
        """
        rows = [self._tokens_of(context)[: self.num_tokens] for context in contexts]
        tokens = self.nothing.expand(len(rows), self.num_tokens, -1).clone()
        mask = torch.zeros(len(rows), self.num_tokens, dtype=torch.bool, device=self.nothing.device)
        for row, found in enumerate(rows):
            tokens[row, : len(found)] = found
            mask[row, : len(found)] = True
        return tokens + self.ranks, mask

    def attach(self, module: nn.Module) -> PrefixTokens:
        """From now on the prefix goes in front of what `module` is given.

        Raises:
            InvalidMessage: it is attached already.
        """
        if self._handles:
            raise InvalidMessage(
                "these prefix tokens are attached already; detach() them first, or make others."
            )
        self._handles = [module.register_forward_pre_hook(self._put), module.register_forward_hook(self._cut)]
        return self

    def detach(self) -> None:
        """The module is as it was before."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    @contextmanager
    def of(self, context: Contexts, num_rows: int = 1) -> Iterator[None]:
        """What the policy is to know in this block; outside of any the module runs as if nothing were attached."""
        self._prefix, _ = self([context_of(context, row) for row in range(num_rows)])
        try:
            yield
        finally:
            self._prefix = None

    def _tokens_of(self, context: Context | None) -> Tensor:
        device = self.nothing.device
        parts = [torch.zeros(0, len(self.nothing), device=device)]
        if context is not None and context.entities.mask.any():
            entities, mask = context.entities, context.entities.mask
            self._check("entity vectors", entities.vectors.shape[1], self.vector_width)
            place = np.concatenate([entities.positions_robot_m, entities.confidences[:, None]], axis=1)
            tokens = self.looks(_tensor(entities.vectors[mask], device)) + self.places(
                _tensor(place[mask], device)
            )
            parts.append(tokens + self.ages(_tensor(entities.ages_s[mask], device)))
        for name, held in () if context is None else context.banks.items():
            if name in self.banks:
                project = self.banks[name]
                assert isinstance(project, nn.Linear)
                self._check(f"tokens of bank {name!r}", held.tokens.shape[1], project.in_features)
                tokens = project(_tensor(held.tokens[held.mask], device))
                parts.append(tokens + self.ages(_tensor(held.ages_s[held.mask], device)))
        return torch.cat(parts)

    def _put(self, module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if self._prefix is None:
            return None
        tokens = inputs[0] if inputs else None
        if (
            not isinstance(tokens, Tensor)
            or tokens.shape[::2] != self._prefix.shape[::2]
            or not tokens.is_floating_point()
        ):
            what = type(tokens).__name__
            if isinstance(tokens, Tensor):
                what = f"{tokens.dtype} of shape {tuple(tokens.shape)}"
            raise InvalidMessage(
                f"{type(module).__name__} was given {what}; the prefix {tuple(self._prefix.shape)} goes in front of tokens "
                "(b, n, d) of as many rows and the same width, handed over first. Attach it to another module."
            )
        return (torch.cat([self._prefix.to(tokens), tokens], dim=1), *inputs[1:])

    def _cut(self, module: nn.Module, _: Any, output: Any) -> Any:
        if self._prefix is None:
            return None
        tokens = tokens_of(output)
        if tokens is None or tokens.ndim != 3 or tokens.shape[1] <= self.num_tokens:
            raise InvalidMessage(
                f"{type(module).__name__} gives a {type(output).__name__}, not tokens (b, n, d) as many as it was given; the prefix "
                "cannot be cut off again. Attach it to the encoder itself."
            )
        return with_tokens(output, tokens[:, self.num_tokens :])

    @staticmethod
    def _check(what: str, width: int, expected: int) -> None:
        if width != expected:
            raise InvalidMessage(
                f"{what} are {width} wide; this was made for {expected}. Make it with that width."
            )


def _tensor(values: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).to(device)
