"""The contract of a bank as a function, so that third parties can run it on theirs (needs torch)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from embodied_mem.errors import EmbodiedMemError, InvalidMessage, StampRunsBackwards, UnknownSlot
from embodied_mem.layers.banks import Bank, Source

NUM_SLOTS = 3
STEP_NS = 200_000_000
TOLERANCE = 1e-5
NO_STAMPS: tuple[Any, ...] = (None, "now", 1.5, True, 2**63, [0], [[0], [0, 1], []])
NO_SLOTS: tuple[Any, ...] = (0, "1", ["a"], [0.5], [True], [], [[0], [1, 2]], {0: 1}, [2**70], [None])


def check_bank(
    make_bank: Callable[[], Bank], *, num_tokens: int, token_width: int, num_steps: int = 12, seed: int = 0
) -> None:
    """Assert that a bank of three slots is deterministic, keeps slots apart, forgets, resumes and refuses.

    `make_bank` builds an empty bank with three slots and always the same weights. `num_steps` should be more than the
    bank's capacity, so that consolidation is among what is checked.

    Raises:
        AssertionError: naming the promise that was broken.
    """
    assert isinstance(make_bank(), nn.Module), "a bank is a torch module, so that a policy can hold it"
    generator = torch.Generator().manual_seed(seed)
    stream = list(torch.randn(num_steps, NUM_SLOTS, num_tokens, token_width, generator=generator))
    with torch.no_grad():
        outputs = _run(make_bank(), stream)
        assert all(out.shape == stream[0].shape for out in outputs), (
            "an output has another shape than its tokens"
        )
        assert all(bool(out.isfinite().all()) for out in outputs), "an output is not finite"
        second = make_bank()
        with torch.random.fork_rng(devices=[]):  # making banks may seed torch, and so hide a random one
            torch.manual_seed(seed + 1)
            repeated = list(zip(outputs, _run(second, stream), strict=True))
        assert all(torch.equal(a, b) for a, b in repeated), "the same steps gave other outputs"
        _check_memory_matters(make_bank, stream, outputs)
        _check_slots(make_bank, stream, outputs)
        _check_start(make_bank, stream, outputs)
        _check_newest(make_bank, stream)
        _check_sources(make_bank, stream)
        _check_reset(make_bank, stream, outputs)
        _check_resumption(make_bank, stream, outputs)
        _check_refusals(make_bank, stream)


def _run(bank: Bank, stream: Sequence[Tensor], *, first: int = 0, start_ns: int = 0) -> list[Tensor]:
    return [
        bank.step(tokens, start_ns + (first + i) * STEP_NS).clone() for i, tokens in enumerate(stream[first:])
    ]


def _check_memory_matters(make_bank: Callable[[], Bank], stream: list[Tensor], outputs: list[Tensor]) -> None:
    fresh = make_bank()
    alone = fresh.step(stream[-1], 0)
    assert not torch.allclose(alone, outputs[-1], atol=TOLERANCE), "what was seen before changes no output"
    assert fresh.bytes() > 0, "the bank says that its memory takes no bytes"


def _check_slots(make_bank: Callable[[], Bank], stream: list[Tensor], outputs: list[Tensor]) -> None:
    bank = make_bank()
    for i, tokens in enumerate(stream):
        for slots in ([2], [1, 0]):  # in another order, and not all at once
            out = bank.step(tokens[slots], i * STEP_NS, slots)
            close = torch.allclose(out, outputs[i][slots], atol=TOLERANCE)
            assert close, f"slots {slots} stepped apart give other outputs than stepped together"


def _check_start(make_bank: Callable[[], Bank], stream: list[Tensor], outputs: list[Tensor]) -> None:
    later = _run(make_bank(), stream, start_ns=1_700_000_000 * 10**9)
    same = all(torch.equal(a, b) for a, b in zip(outputs, later, strict=True))
    assert same, "outputs depend on when the stream began, not only on the time since"


def _check_newest(make_bank: Callable[[], Bank], stream: list[Tensor]) -> None:
    bank, alone = make_bank(), make_bank()
    _run(bank, stream)
    for i, tokens in enumerate(stream):
        alone.step(tokens[[1]], i * STEP_NS, [1])
    every = bank.newest(1, 10**6)
    assert every.tokens.ndim == 2, "entries are no rows of tokens"
    assert len(every.tokens) == len(every.last_ns), "an entry lacks tokens or a stamp"
    assert set(every.last_ns.tolist()) <= {i * STEP_NS for i in range(len(stream))}, (
        "an entry's stamp is made up"
    )
    assert bool((every.last_ns.diff() <= 0).all()), "the newest entries do not come newest first"
    apart = alone.newest(1, 10**6)
    assert apart.last_ns.tolist() == every.last_ns.tolist(), "a slot's newest entries depend on other slots"
    close = torch.allclose(apart.tokens, every.tokens, atol=TOLERANCE)
    assert close, "a slot's newest entries depend on other slots"
    assert not any(len(alone.newest(slot, 5).tokens) for slot in (0, 2)), (
        "a slot that saw nothing has entries"
    )
    fewer = zip(bank.newest(1, 2), every, strict=True)
    assert all(torch.equal(a, b[:2]) for a, b in fewer), (
        "fewer of the newest entries are not the first of more"
    )
    before = _frozen(bank)
    for part in every:
        part.zero_()
    assert _frozen(bank) == before, "the newest entries are the bank's own arrays, not copies"
    bank.reset([1])
    assert not len(bank.newest(1, 5).tokens), "reset left entries behind"


def _check_sources(make_bank: Callable[[], Bank], stream: list[Tensor]) -> None:
    bank, alone = make_bank(), make_bank()
    assert not bank.sources(1), "a slot that gave no output names sources"
    _run(bank, stream)
    for i, tokens in enumerate(stream):
        alone.step(tokens[[1]], i * STEP_NS, [1])
    every = bank.sources(1, 10**6)
    shares = [source.share for source in every]
    assert shares == sorted(shares, reverse=True), "sources are not named strongest first"
    assert sum(shares) <= 1 + TOLERANCE, f"the sources' shares sum to {sum(shares)}"
    earlier = {i * STEP_NS for i in range(len(stream) - 1)}
    for source in every:
        assert {source.first_ns, source.last_ns} <= earlier, "a source is of no earlier step"
        assert source.first_ns <= source.last_ns, "a source ends before it begins"
        assert source.num_observations >= 1, "a source holds no observation"
    assert bank.sources(1, 2) == every[:2], "fewer sources are not the first of more"
    together, apart = _shares(every), _shares(alone.sources(1, 10**6))
    differences = (abs(together.get(span, 0.0) - apart.get(span, 0.0)) for span in together | apart)
    assert max(differences, default=0.0) < 1e-4, "a slot's sources depend on other slots"
    assert not alone.sources(0), "a slot's output names sources in another"
    bank.reset([1])
    assert not bank.sources(1), "reset left sources behind"


def _shares(sources: list[Source]) -> dict[tuple[int, int], float]:
    """The attention that went to each span of time."""
    shares: dict[tuple[int, int], float] = {}
    for source in sources:
        span = source.first_ns, source.last_ns
        shares[span] = shares.get(span, 0.0) + source.share
    return shares


def _check_reset(make_bank: Callable[[], Bank], stream: list[Tensor], outputs: list[Tensor]) -> None:
    bank = make_bank()
    _run(bank, stream)
    bank.reset([1])
    start_ns = len(stream) * STEP_NS
    for i, tokens in enumerate(stream):
        out = bank.step(tokens[[1]], start_ns + i * STEP_NS, [1])
        assert torch.allclose(out, outputs[i][[1]], atol=TOLERANCE), "reset left something of the slot behind"
    bank.reset()
    again = zip(_run(bank, stream), outputs, strict=True)
    assert all(torch.allclose(a, b, atol=TOLERANCE) for a, b in again), "reset of all slots left something"


def _check_resumption(make_bank: Callable[[], Bank], stream: list[Tensor], outputs: list[Tensor]) -> None:
    middle = len(stream) // 2
    stopped, resumed = make_bank(), make_bank()
    _run(stopped, stream[:middle])
    resumed.load_state_dict({name: value.clone() for name, value in stopped.state_dict().items()})
    rest = zip(_run(resumed, stream, first=middle), outputs[middle:], strict=True)
    assert all(torch.equal(a, b) for a, b in rest), "outputs after a restart are not bit-equal"


def _check_refusals(make_bank: Callable[[], Bank], stream: list[Tensor]) -> None:
    bank = make_bank()
    _run(bank, stream)
    before = _frozen(bank)
    now_ns, tokens = len(stream) * STEP_NS, stream[0]
    spoiled = tokens.clone()
    spoiled[1, 0, 0] = float("nan")
    refused: list[tuple[str, type[EmbodiedMemError], Callable[[], Any]]] = [
        ("NaN tokens", InvalidMessage, lambda: bank.step(spoiled, now_ns)),
        ("tokens of another width", InvalidMessage, lambda: bank.step(tokens[:, :, :-1], now_ns)),
        ("too few rows", InvalidMessage, lambda: bank.step(tokens[:2], now_ns)),
        ("float64 tokens", InvalidMessage, lambda: bank.step(tokens.double(), now_ns)),
        ("a negative stamp", InvalidMessage, lambda: bank.step(tokens, -5)),
        ("tokens that are no tensor", InvalidMessage, lambda: bank.step(stream, now_ns)),  # type: ignore[arg-type]
        ("stamps in seconds", InvalidMessage, lambda: bank.step(tokens, torch.full((NUM_SLOTS,), 1.5))),
        ("an unknown slot", UnknownSlot, lambda: bank.step(tokens[:1], now_ns, [NUM_SLOTS])),
        ("a slot named twice", UnknownSlot, lambda: bank.step(tokens[:2], now_ns, [1, 1])),
        ("an unknown slot to reset", UnknownSlot, lambda: bank.reset([-1])),
        ("an unknown slot to read", UnknownSlot, lambda: bank.newest(NUM_SLOTS, 1)),
        ("an unknown slot to explain", UnknownSlot, lambda: bank.sources(NUM_SLOTS)),
        ("a negative number of sources", InvalidMessage, lambda: bank.sources(0, -1)),
        ("a negative number of entries", InvalidMessage, lambda: bank.newest(0, -1)),
        ("time that runs back", StampRunsBackwards, lambda: bank.step(tokens, [now_ns, now_ns, 0])),
    ]
    refused += [
        (f"the stamps {stamps!r}", InvalidMessage, partial(bank.step, tokens, stamps)) for stamps in NO_STAMPS
    ]
    for slots in NO_SLOTS:
        refused += [
            (f"the slots {slots!r}", UnknownSlot, partial(bank.step, tokens[:1], now_ns, slots)),
            (f"the slots {slots!r} to reset", UnknownSlot, partial(bank.reset, slots)),
        ]
    for what, error, call in refused:
        try:
            call()
        except error:
            assert _frozen(bank) == before, f"{what}: refused, but the bank had changed by then"
        except Exception as other:
            raise AssertionError(f"{what}: {type(other).__name__} instead of {error.__name__}") from other
        else:
            raise AssertionError(f"{what}: not refused with {error.__name__}")


def _frozen(bank: Bank) -> dict[str, bytes]:
    return {name: value.detach().numpy().tobytes() for name, value in bank.state_dict().items()}
