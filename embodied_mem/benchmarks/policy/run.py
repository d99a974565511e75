"""`embodied-mem bench policy`: what the banks beside a policy cost, and a context; one core, float32."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from embodied_mem.benchmarks.policy.bank_step import (
    Pair,
    full_bank,
    in_turn,
    one_core,
    plain_copy,
    slot_by_slot,
    stepper,
)
from embodied_mem.benchmarks.policy.context_cost import measure_context
from embodied_mem.benchmarks.policy.streams import TokenStream, recorded_stream
from embodied_mem.benchmarks.results import BenchmarkResult, Goal, Row, measured
from embodied_mem.layers.banks import PerceptualBankConfig

Progress = Callable[[str], None]

GOALS = {
    "bank.step.cpu_ms": Goal(op="<=", value=50.0),
    "bank.step.speedup": Goal(op=">=", value=1.8),
    "bank.step.difference": Goal(op="<=", value=1e-5),
    "bank.256_entries.exact.speedup": Goal(op=">=", value=1.9),
    "bank.256_entries.top_16.speedup": Goal(op=">=", value=5.0),
    "bank.256_entries.top_16.cosine": Goal(op=">=", value=0.99),
    "bank.4096_entries.over_256": Goal(op="<=", value=1.2),
    "bank.32_slots.1x512.speedup": Goal(op=">=", value=3.0),
    "context.p99_ms": Goal(op="<=", value=20.0),
}
NUM_SLOTS, TOP, LARGE, HUGE = 32, 16, 256, 4096
SHARP = 8.0
"""Trained attention is sharper than that of fresh weights; the stand-in multiplies queries by this."""


def run(*, quick: bool, progress: Progress) -> BenchmarkResult:
    """Every row of the table above; `quick` measures fewer pairs, and the largest bank with 64 tokens, not 256."""
    with one_core():
        # First, and on drawn tokens: what earlier work leaves in the allocator changes what large temporaries cost.
        rows = small_bank_rows(torch.randn(64, 256, 256), 15 if quick else 60, progress)
        progress("encoding recorded views")
        stream = recorded_stream(LARGE + (16 if quick else 64))
        rows += [
            *large_bank_rows(stream, 3 if quick else 10, progress, quick=quick),
            *flat_rows(stream.tokens, 64 if quick else 256, 10 if quick else 30, progress),
            *slots_rows(stream.tokens, 10 if quick else 30, progress, quick=quick),
            *context_rows(progress, quick=quick),
        ]
    config = {"quick": quick, "tokens": [256, 256], "stream": stream.source, "threads": 1, "dtype": "float32"}
    return BenchmarkResult(name="policy", rows=tuple(rows), config=config, seeds=(0,))


def small_bank_rows(stream: Tensor, num_pairs: int, progress: Progress) -> list[Row]:
    """16 entries of 256x256, the published size."""
    progress("a step of 256x256 with 16 entries")
    config = PerceptualBankConfig()
    fast = full_bank(config, stream[: config.capacity])
    plain = plain_copy(fast)
    differences = [
        float((step() - other()).abs().max())
        for step, other in [(stepper(fast, stream[20:]), stepper(plain, stream[20:]))]
        for _ in range(10)
    ]
    pair = Pair(*in_turn(stepper(fast, stream[20:]), stepper(plain, stream[20:]), num_turns=num_pairs))
    return [
        _cost_row("bank.step.cpu_ms", pair.first_ms),
        _cost_row("bank.step/plain_cpu_ms", pair.second_ms),
        _ratio_row("bank.step.speedup", pair),
        measured(GOALS, "bank.step.difference", max(differences)),
        measured(GOALS, "bank.step/mib", fast.bytes() / 2**20, "MiB"),
    ]


def large_bank_rows(stream: TokenStream, num_pairs: int, progress: Progress, *, quick: bool) -> list[Row]:
    """256 entries, all of them and the 16 strongest, against the plain form over all."""
    entries, views = stream.tokens[:LARGE], stream.tokens[LARGE:]
    exact = full_bank(PerceptualBankConfig(capacity=LARGE), entries)
    top = full_bank(PerceptualBankConfig(capacity=LARGE, top_entries=TOP), entries)
    plain = plain_copy(exact)
    progress("256 entries, all of them and the 16 strongest")
    steps = [stepper(bank, views) for bank in (exact, top, plain)]
    exact_ms, top_ms, plain_ms = in_turn(*steps, num_turns=num_pairs)
    progress("how close 16 of 256 entries come")
    rows = [
        _ratio_row("bank.256_entries.exact.speedup", Pair(exact_ms, plain_ms)),
        _ratio_row("bank.256_entries.top_16.speedup", Pair(top_ms, plain_ms)),
        _cost_row("bank.256_entries/exact_cpu_ms", exact_ms),
        _cost_row("bank.256_entries/top_16_cpu_ms", top_ms),
        _cost_row("bank.256_entries/plain_cpu_ms", plain_ms),
        _cosine_row("bank.256_entries.top_16.cosine", top_cosines(stream.tokens, 1.0)),
    ]
    if not quick:
        rows.append(_cosine_row("bank.256_entries/top_16_cosine_sharp", top_cosines(stream.tokens, SHARP)))
    return rows


def top_cosines(tokens: Tensor, sharpness: float, num_views: int = 4) -> np.ndarray:
    """Cosine between each token's output with the 16 strongest and with all of 256 entries, over later views."""
    banks = [
        full_bank(PerceptualBankConfig(capacity=LARGE, top_entries=top), tokens[:LARGE])
        for top in (None, TOP)
    ]
    for bank in banks:
        for layer in bank.weights.retrieval_layers():
            layer.query.weight.mul_(sharpness)
            layer.query.bias.mul_(sharpness)
    steps = [stepper(bank, tokens[LARGE:]) for bank in banks]
    cosines = [torch.cosine_similarity(steps[0](), steps[1](), dim=-1) for _ in range(num_views)]
    return torch.cat(cosines).flatten().numpy()


def flat_rows(tokens: Tensor, num_tokens: int, num_pairs: int, progress: Progress) -> list[Row]:
    """The 16 strongest of 4,096 entries against those of 256."""
    progress(f"4,096 entries of {num_tokens}x256")
    views = tokens[:, :num_tokens]
    banks = []
    for capacity in (LARGE, HUGE):
        entries = views[torch.arange(capacity) % LARGE]
        config = PerceptualBankConfig(num_tokens=num_tokens, capacity=capacity, top_entries=TOP)
        banks.append(full_bank(config, entries))
    pair = Pair(*in_turn(*(stepper(bank, views[LARGE:]) for bank in banks), num_turns=num_pairs))
    name = (
        "bank.4096_entries.over_256"
        if num_tokens == 256
        else f"bank.4096_entries/over_256_of_{num_tokens}x256"
    )
    return [
        _ratio_row(name, pair),
        _cost_row("bank.4096_entries/cpu_ms", pair.second_ms),
    ]


def slots_rows(tokens: Tensor, num_pairs: int, progress: Progress, *, quick: bool) -> list[Row]:
    """32 slots in one call against 32 calls: a cognitive token of 512, and (no goal, not when quick) 256x256."""
    cognitive = tokens[:, :2].reshape(len(tokens), 1, 512)
    rows = _slots_rows(cognitive, "bank.32_slots.1x512.speedup", num_pairs, progress)
    if not quick:
        rows += _slots_rows(tokens, "bank.32_slots/256x256_speedup", 5, progress)
    return rows


def context_rows(progress: Progress, *, quick: bool) -> list[Row]:
    """`context()` after each of the last frames, then while another thread stores frames: 10,000 things seen 100,000 times
    (`quick`: 1,000 and 6,000).
    """
    things, observations = (1_000, 6_000) if quick else (10_000, 100_000)
    costs, writing = measure_context(things, observations, 100 if quick else 400, progress)
    name = "context.p99_ms" if not quick else f"context/p99_ms_of_{things}"
    return [
        measured(GOALS, name, float(np.percentile(costs.cpu_ms, 99)), "ms"),
        _cost_row("context/cpu_ms", np.array(costs.cpu_ms)),
        measured(GOALS, "context/wall_p99_ms", float(np.percentile(costs.wall_ms, 99)), "ms"),
        measured(GOALS, "context/short_of_time", costs.num_short_of_time / len(costs.cpu_ms)),
        measured(GOALS, "context/entities", costs.num_entities),
        measured(GOALS, "context/observations", costs.num_observations),
        measured(GOALS, "context.writing/p99_ms", float(np.percentile(writing.cpu_ms, 99)), "ms"),
        _cost_row("context.writing/wall_ms", np.array(writing.wall_ms)),
        measured(GOALS, "context.writing/wall_p99_ms", float(np.percentile(writing.wall_ms, 99)), "ms"),
        measured(GOALS, "context.writing/short_of_time", writing.num_short_of_time / len(writing.cpu_ms)),
        measured(GOALS, "context.writing/frames_per_s", writing.frames_per_s, "Hz"),
    ]


def _slots_rows(stream: Tensor, name: str, num_pairs: int, progress: Progress) -> list[Row]:
    size = f"{stream.shape[1]}x{stream.shape[2]}"
    progress(f"32 slots of {size}")
    config = PerceptualBankConfig(
        num_slots=NUM_SLOTS, num_tokens=stream.shape[1], token_width=stream.shape[2]
    )
    together, apart = full_bank(config, stream[:16]), full_bank(config, stream[:16])
    steps = (stepper(together, stream[20:]), slot_by_slot(apart, stream[20:]))
    pair = Pair(*in_turn(*steps, num_turns=num_pairs))
    return [_ratio_row(name, pair), _cost_row(f"bank.32_slots/{size}_cpu_ms", pair.first_ms)]


def _cost_row(metric: str, costs_ms: np.ndarray) -> Row:
    low, high = np.percentile(costs_ms, (5, 95))
    return measured(GOALS, metric, float(np.median(costs_ms)), "ms", interval=(float(low), float(high)))


def _ratio_row(metric: str, pair: Pair) -> Row:
    return measured(GOALS, metric, pair.ratio, "x", interval=pair.interval)


def _cosine_row(metric: str, cosines: np.ndarray) -> Row:
    low, high = np.percentile(cosines, (5, 95))
    return measured(GOALS, metric, float(cosines.mean()), interval=(float(low), float(high)))
