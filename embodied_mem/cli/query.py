"""`embodied-mem query`: one typed question to a saved memory."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from embodied_mem.cli import output
from embodied_mem.cli.memory_file import opened
from embodied_mem.errors import InvalidQuery
from embodied_mem.geometry import Box
from embodied_mem.messages import Interval, Query, QuestionKind, Region

if TYPE_CHECKING:
    from embodied_mem.messages import Answer

EPILOG = """\b
Examples:
  embodied-mem query outputs/demo/memory where "red mug"
  embodied-mem query outputs/demo/memory where "red mug" --as-of 40s
  embodied-mem query outputs/demo/memory history e17 --json
  embodied-mem query outputs/demo/memory count --label chair --near 2,1.5,0.5,3
  embodied-mem query outputs/demo/memory find "mug" -k 5
  embodied-mem query outputs/demo/memory changes --since 80s
\b
Times are nanoseconds of the memory's own clock, or seconds with an s behind (80.5s).
"""


class Stamp(click.ParamType[int]):
    """Nanoseconds, or seconds with an `s` behind."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            stamp_ns = round(float(value[:-1]) * 1e9) if value.endswith("s") else int(value)
        except ValueError:
            self.fail(
                f"{value!r} is no time; write whole nanoseconds, or seconds with an s behind (80.5s).",
                param,
                ctx,
            )
        return stamp_ns


class Numbers(click.ParamType[tuple[float, ...]]):
    """A fixed count of comma-separated numbers."""

    def __init__(self, count: int, name: str) -> None:
        self.count = count
        self.name = name

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(float(part) for part in value.split(","))
        except ValueError:
            numbers = ()
        if len(numbers) != self.count:
            self.fail(f"{value!r} must be {self.count} numbers with commas between: {self.name}.", param, ctx)
        return numbers


@click.command("query", epilog=EPILOG)
@click.argument("memory", type=click.Path(exists=True, path_type=Path))
@click.argument("kind", type=click.Choice(get_args(QuestionKind)))
@click.argument("entity", required=False)
@click.option("--label", help="Only things of this label, such as 'mug'.")
@click.option("--color", help="Only things of this colour word, such as 'red'.")
@click.option(
    "--near", type=Numbers(4, "x,y,z,radius"), help="Only within a radius of a point, metres, world."
)
@click.option("--box", type=Numbers(6, "x0,y0,z0,x1,y1,z1"), help="Only inside a box, metres, world.")
@click.option("--since", type=Stamp(), help="Only from this time on.")
@click.option("--until", type=Stamp(), help="Only up to this time.")
@click.option("--as-of", type=Stamp(), help="When it was true in the world (default: now).")
@click.option("--known-at", type=Stamp(), help="What the memory knew then (default: now).")
@click.option(
    "-k", type=click.IntRange(min=1), default=10, show_default=True, help="At most this many answers."
)
@output.json_option
def command(memory: Path, kind: QuestionKind, entity: str | None, as_json: bool, **asked: Any) -> None:
    """Ask the saved MEMORY a question of KIND.

    ENTITY is an id (e17) or words that name one thing ("red mug"). where and history need it; find takes it as
    words to look for; count needs --label; changes needs neither.
    """
    query = build_query(kind, entity, **asked)
    with opened(memory) as robot_memory:
        start = time.perf_counter()
        answer = robot_memory.recall(query)
        took_ms = (time.perf_counter() - start) * 1e3
    result = {"kind": kind, "ms": round(took_ms, 3), **output.jsonable(answer)}
    output.print_result(result, as_json, lambda: show_answer(answer, took_ms))


def build_query(
    kind: QuestionKind,
    entity: str | None,
    *,
    label: str | None = None,
    color: str | None = None,
    near: tuple[float, ...] | None = None,
    box: tuple[float, ...] | None = None,
    since: int | None = None,
    until: int | None = None,
    as_of: int | None = None,
    known_at: int | None = None,
    k: int = 10,
) -> Query:
    """The question that the command line states.

    Raises:
        InvalidQuery: what the kind needs is missing.
    """
    if kind in ("where", "history") and entity is None:
        raise InvalidQuery(
            f"{kind!r} asks about one thing and none is named; add its id (e17) or words: {kind} 'red mug'."
        )
    if kind == "count" and label is None and entity is None:
        raise InvalidQuery("'count' needs what to count; add --label mug.")
    return Query(
        kind=kind,
        entity=None if kind == "count" else entity,
        label=label if label is not None or kind != "count" else entity,
        attributes={"color": color} if color else {},
        region=_region(near, box),
        interval=Interval(from_ns=since, to_ns=until) if (since, until) != (None, None) else None,
        as_of_ns=as_of,
        known_at_ns=known_at,
        k=k,
    )


def _region(near: tuple[float, ...] | None, box: tuple[float, ...] | None) -> Region | None:
    if near is not None and box is not None:
        raise InvalidQuery("--near and --box are both given; a question has one region. Leave one out.")
    if near is not None:
        return Region(center_world_m=(near[0], near[1], near[2]), radius_m=near[3])
    if box is not None:
        return Region(box=Box(min_m=(box[0], box[1], box[2]), max_m=(box[3], box[4], box[5])))
    return None


def show_answer(answer: Answer[Any], took_ms: float) -> None:
    """The answer on stdout, its status, confidence and time on stderr."""
    from embodied_mem.cli.wording import answer_lines

    for line in answer_lines(answer):
        click.echo(line)
    click.echo(f"({answer.status}, confidence {answer.confidence:.2f}, {took_ms:.1f} ms)", err=True)
