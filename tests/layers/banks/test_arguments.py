"""What no bank can be told is refused with our errors, before anything changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import embodied_mem.layers.banks as banks
from embodied_mem.errors import InvalidMessage, UnknownSlot
from embodied_mem.layers.banks.admission import check_values
from tests.layers.banks.makers import MAKERS, made

SECOND_NS = 10**9


def stepped(kind: str) -> Any:
    bank = made(kind)
    with torch.no_grad():
        for i in range(3):
            bank.step(torch.randn(2, 2, 8), i * SECOND_NS)  # type: ignore[operator]
    return bank


def test_there_is_a_maker_of_every_kind_of_bank() -> None:
    kinds = {type(made(kind)) for kind in MAKERS}
    exported = {getattr(banks, name) for name in banks.__all__}
    assert kinds == {
        kind for kind in exported if isinstance(kind, type) and issubclass(kind, torch.nn.Module)
    }


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize(
    ("error", "call"),
    [
        *(
            (InvalidMessage, lambda bank, start_ns=start_ns: bank.reset([0], start_ns=start_ns))
            for start_ns in (1.5, -1, 2**63, "0", True, [0])
        ),
        *(
            (UnknownSlot, lambda bank, slot=slot: bank.newest(slot, 1))
            for slot in (2, -1, "a", None, 0.5, [0])
        ),
        *((UnknownSlot, lambda bank, slot=slot: bank.sources(slot)) for slot in (2, -1, "a", None, 0.5, [0])),
        *((InvalidMessage, lambda bank, num=num: bank.sources(0, num)) for num in (-1, 1.5, "a", None, True)),
        *((InvalidMessage, lambda bank, num=num: bank.newest(0, num)) for num in (-1, 1.5, "a", None, True)),
    ],
)
def test_what_cannot_be_is_refused_before_anything_changes(
    kind: str, error: type[Exception], call: Callable[[Any], object]
) -> None:
    bank = stepped(kind)
    before = {name: value.clone() for name, value in bank.state_dict().items()}
    with pytest.raises(error):
        call(bank)
    assert all(torch.equal(before[name], value) for name, value in bank.state_dict().items())


class Gathered(TorchDispatchMode):
    """The size of the largest table of tokens that was gathered."""

    largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.index.Tensor and output.is_floating_point():
            self.largest = max(self.largest, output.numel())
        return output


@pytest.mark.parametrize("kind", MAKERS)
def test_the_newest_entry_is_read_without_the_others(kind: str) -> None:
    bank = stepped(kind)
    every = bank.newest(0, 10)
    with Gathered() as gathered:
        newest = bank.newest(0, 1)
    assert gathered.largest <= 2 * 8  # the tokens of one step
    assert all(torch.equal(a, b[:1]) for a, b in zip(newest, every, strict=True))


@pytest.mark.parametrize("kind", MAKERS)
def test_numbers_of_numpy_are_numbers(kind: str) -> None:
    bank, expected = stepped(kind), stepped(kind)
    tokens = torch.randn(1, 2, 8)
    bank.reset(np.array([1]), start_ns=np.int64(5 * SECOND_NS))
    expected.reset([1], start_ns=5 * SECOND_NS)
    with torch.no_grad():
        given = bank.step(tokens, np.array([6 * SECOND_NS]), np.array([1]))
        assert torch.equal(given, expected.step(tokens, [6 * SECOND_NS], [1]))


def test_a_refusal_says_how_many_values_are_wrong_and_where_instead_of_all_of_them() -> None:
    values = torch.zeros(2, 64, 32)
    values[1, 3, 5] = values[1, 3, 7] = float("nan")
    with pytest.raises(
        InvalidMessage, match=r"2 of 4096 values that do not fit, the first nan at \[1, 3, 5\]"
    ) as refusal:
        check_values("candidates", values, (2, 64, 32))
    assert "torch.float32 of shape (2, 64, 32)" in str(refusal.value)
    with pytest.raises(InvalidMessage) as no_tensor:
        check_values("candidates", values.tolist(), (2, 64, 32))  # type: ignore[arg-type]
    assert max(len(str(raised.value)) for raised in (refusal, no_tensor)) < 1000


def test_a_refusal_shows_values_that_are_few() -> None:
    with pytest.raises(InvalidMessage, match=r"1 of 2 values .* the first 1\.5 at \[1\]: \[0\.5, 1\.5\]"):
        check_values("confidence", torch.tensor([0.5, 1.5]), (2,), lowest=0.0, highest=1.0)
