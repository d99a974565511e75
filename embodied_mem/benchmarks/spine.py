"""`embodied-mem bench spine`: what the whole path costs, and whether the demo's answers are right."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from tempfile import TemporaryDirectory

import numpy as np

from embodied_mem.benchmarks.crowded import crowded_hall, crowded_room
from embodied_mem.benchmarks.demo.seeds import identity_row, run_seeds
from embodied_mem.benchmarks.results import BenchmarkResult, Goal, Row, measured
from embodied_mem.messages import Interval, Query, Region
from embodied_mem.robot_memory import RobotMemory

Progress = Callable[[str], None]

GOALS = {
    "observe.cpu_ms": Goal(op="<=", value=15.0),
    "question.where.ms": Goal(op="<=", value=5.0),
    "question.find.ms": Goal(op="<=", value=5.0),
    "question.history.ms": Goal(op="<=", value=5.0),
    "question.changes.ms": Goal(op="<=", value=5.0),
    "question.count.ms": Goal(op="<=", value=5.0),
    "stream.delivered": Goal(op=">=", value=1.0),
    "stream.rss_growth_mib": Goal(op="<=", value=20.0),
    "ids.constant_minus_shuffled": Goal(op="<=", value=0.01),
    "demo.answers.right": Goal(op=">=", value=1.0),
    "demo.position_error.max_m": Goal(op="<=", value=0.1),
    "demo.unseen.answers.right": Goal(op=">=", value=1.0),
    "demo.unseen.position_error.max_m": Goal(op="<=", value=0.1),
}
NUM_ENTITIES = 1000
STREAM_HZ = 15.0
QUICK_EVERY = 3
OBSERVE_PASSES = 8
QUICK_SEEDS, SEEDS, UNSEEN_SEEDS = (0,), tuple(range(10)), tuple(range(100, 110))


def run(*, quick: bool, progress: Progress) -> BenchmarkResult:
    """Every row of the table above; `quick` takes fewer frames and seconds, and one seed instead of twenty, of which
    the memory gets every third frame.
    """
    seeds = QUICK_SEEDS if quick else SEEDS
    rows = [
        *observe_rows(16 if quick else 60, progress),
        *question_rows(20 if quick else 200, progress),
        *stream_rows(6.0 if quick else 60.0, progress),
    ]
    demo = run_seeds(GOALS, "demo", seeds, progress, observe_every=QUICK_EVERY if quick else 1)
    rows, wrong = [*rows, *demo.rows], list(demo.wrong)
    if not quick:
        unseen = run_seeds(GOALS, "demo.unseen", UNSEEN_SEEDS, progress)
        rows, wrong = [*rows, *unseen.rows], [*wrong, *unseen.wrong]
        rows.append(identity_row(GOALS, {seed: demo.graded[seed] for seed in seeds[:3]}, progress))
        seeds = (*seeds, *UNSEEN_SEEDS)
    config = {"quick": quick, "image": [640, 480], "num_entities": NUM_ENTITIES, "stream_hz": STREAM_HZ}
    return BenchmarkResult(
        name="spine", rows=tuple(rows), config=config, seeds=seeds, extra={"wrong_answers": wrong}
    )


def stream_rows(seconds: float, progress: Progress) -> list[Row]:
    """Frames that reach the node's memory from another process, among those sent, how its memory grows, and how long
    questions over the service take meanwhile.
    """
    from embodied_mem.ros.stream import measure_stream

    progress(f"streaming {STREAM_HZ:g} Hz for {seconds:g} s over ROS")
    figures = measure_stream(seconds=seconds, hz=STREAM_HZ)
    # Shorter than this a node is still warming up.
    growth = (
        [measured(GOALS, "stream.rss_growth_mib", figures["rss_growth_mib"], "MiB")] if seconds >= 30 else []
    )
    return [
        measured(GOALS, "stream.delivered", figures["delivered"]),
        *growth,
        measured(GOALS, "stream/sent", figures["sent"]),
        *_latency_rows("stream/question", figures["question_ms"]),
    ]


def large_stream_rows(seconds: float, progress: Progress) -> list[Row]:
    """How long questions take while frames come in, when the memory knows a thousand things and saves every 5 s."""
    from embodied_mem.ros.stream import measure_stream

    progress(f"remembering {NUM_ENTITIES} things on disk")
    with TemporaryDirectory() as folder:
        with RobotMemory.open(folder) as memory:
            for frame in crowded_hall(NUM_ENTITIES):
                memory.observe(frame)
            memory.save()
        progress(f"streaming {STREAM_HZ:g} Hz for {seconds:g} s over ROS to it")
        parameters = {"path": folder, "memory.autosave_s": 5.0}
        figures = measure_stream(seconds=seconds, hz=STREAM_HZ, memory=parameters)
    return [
        measured(GOALS, "stream/large_delivered", figures["delivered"]),
        *_latency_rows("stream/large_question", figures["question_ms"]),
    ]


def _latency_rows(name: str, took_ms: Sequence[float]) -> list[Row]:
    percentiles = (("p50", 50), ("p99", 99), ("max", 100))
    return [
        measured(GOALS, f"{name}_{p}_ms", float(np.percentile(took_ms, at)), "ms") for p, at in percentiles
    ]


def observe_rows(num_frames: int, progress: Progress) -> list[Row]:
    """CPU time of `observe` on 640x480 frames with twenty things, after the first turn around the room.

    Everything else on the machine only adds to it: of `OBSERVE_PASSES`, each with a memory of its own, the cheapest
    counts.
    """
    progress("drawing 640x480 frames")
    frames = list(crowded_room(0, num_frames))
    in_view = np.mean([len(frame.detections) for frame in frames])
    passes = []
    for number in range(OBSERVE_PASSES):
        progress(f"observing them, {number + 1} of {OBSERVE_PASSES}")
        with RobotMemory.open() as memory:
            passes.append(np.array([_cpu_ms(partial(memory.observe, frame)) for frame in frames]))
    settled = [costs_ms[min(5, num_frames // 2) :] for costs_ms in passes]  # buffers grow at first
    best_ms = min(settled, key=lambda costs_ms: float(np.median(costs_ms)))
    low, high = np.percentile(best_ms, (5, 95))
    return [
        measured(
            GOALS, "observe.cpu_ms", float(np.median(best_ms)), "ms", interval=(float(low), float(high))
        ),
        measured(
            GOALS, "observe/worst_pass_cpu_ms", float(max(np.median(costs_ms) for costs_ms in settled)), "ms"
        ),
        measured(GOALS, "observe/first_frame_cpu_ms", float(passes[0][0]), "ms"),
        measured(GOALS, "observe/instances_in_view", float(in_view)),
    ]


def question_rows(num_asked: int, progress: Progress) -> list[Row]:
    """Wall time of each kind of question when the memory knows a thousand things."""
    progress(f"remembering {NUM_ENTITIES} things")
    with RobotMemory.open() as memory:
        for frame in crowded_hall(NUM_ENTITIES):
            memory.observe(frame)
        entities = memory.entities()
        ids = [entity.entity_id for entity in islice(entities, 0, None, max(1, len(entities) // 50))]
        rows = [measured(GOALS, "question/entities", len(entities))]
        for kind, queries in _queries(ids).items():
            progress(f"asking {kind}")
            rows.append(_question_row(memory, kind, [queries[i % len(queries)] for i in range(num_asked)]))
    return rows


def _question_row(memory: RobotMemory, kind: str, queries: Sequence[Query]) -> Row:
    took_ms = []
    for query in queries:
        start = time.perf_counter()
        memory.recall(query)
        took_ms.append((time.perf_counter() - start) * 1e3)
    low, high = np.percentile(took_ms, (5, 95))
    return measured(
        GOALS, f"question.{kind}.ms", float(np.median(took_ms)), "ms", interval=(float(low), float(high))
    )


def _queries(ids: Sequence[str]) -> dict[str, list[Query]]:
    near = [Region(center_world_m=(4.0 * i, 3.0, 0.3), radius_m=2.0) for i in range(5)]
    return {
        "where": [Query(kind="where", entity=entity_id) for entity_id in ids],
        "find": [
            *(Query(kind="find", entity="red mug", region=region) for region in near),
            *(Query(kind="find", label=label) for label in ("mug", "lamp", "toy")),
        ],
        "history": [Query(kind="history", entity=entity_id) for entity_id in ids],
        "changes": [
            Query(kind="changes", interval=Interval(from_ns=0)),
            *(Query(kind="changes", region=region) for region in near),
        ],
        "count": [Query(kind="count", label="mug", region=region) for region in near],
    }  # fmt: skip


def _cpu_ms(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return (time.process_time() - start) * 1e3
