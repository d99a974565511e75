"""Where the tokens (b, n, d) are in what a module gives, whoever made it."""

from __future__ import annotations

from typing import Any

from torch import Tensor

STATES = "last_hidden_state"
"""What the encoders of transformers call them."""


def tokens_of(output: Any) -> Tensor | None:
    """The tokens in a module's output: alone, first in a tuple, or its `last_hidden_state`; None where there are none."""
    if isinstance(output, dict):
        output = output.get(STATES)
    elif isinstance(output, tuple) and output:
        output = output[0]
    return output if isinstance(output, Tensor) else None


def with_tokens(output: Any, tokens: Tensor) -> Any:
    """The same output with other tokens in it."""
    if isinstance(output, dict):
        return type(output)(**{**output, STATES: tokens})
    return (tokens, *output[1:]) if isinstance(output, tuple) else tokens
