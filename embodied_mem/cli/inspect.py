"""`embodied-mem inspect`: what a saved memory holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from embodied_mem.cli import output
from embodied_mem.cli.memory_file import opened
from embodied_mem.cli.wording import place, seconds

if TYPE_CHECKING:
    from embodied_mem.messages import Entity, Trajectory
    from embodied_mem.robot_memory import RobotMemory

EPILOG = """\b
Examples:
  embodied-mem inspect outputs/demo/memory
  embodied-mem inspect outputs/demo/memory --label mug --absent
  embodied-mem inspect outputs/demo/memory --json | jq '.entities | length'
"""


@click.command("inspect", epilog=EPILOG)
@click.argument("memory", type=click.Path(exists=True, path_type=Path))
@click.option("--label", help="Only things of this label.")
@click.option("--absent", is_flag=True, help="Also things that are believed to be gone.")
@output.json_option
def command(memory: Path, label: str | None, absent: bool, as_json: bool) -> None:
    """Show the figures and the entities of the saved MEMORY."""
    with opened(memory) as robot_memory:
        entities = [entity for entity in robot_memory.entities() if label in (None, entity.label)]
        figures = summary(robot_memory)
    entities = [entity for entity in entities if absent or entity.is_present]
    result = {"memory": str(memory), "figures": figures, "entities": entities}
    output.print_result(result, as_json, lambda: _show(figures, entities))


def summary(memory: RobotMemory) -> dict[str, Any]:
    """How much the memory holds, and the span of time that it covers."""
    entities = memory.entities()
    gaussians = len(memory.map_snapshot().means_world)
    seen_ns = [(entity.first_seen_ns, entity.last_seen_ns) for entity in entities]
    return {
        "entities": len(entities),
        "entities_present": sum(entity.is_present for entity in entities),
        "gaussians": gaussians,
        "rooms": len(memory.questions.rooms().value or ()),
        "events": len(memory.questions.events(with_failed=True).value or ()),
        "way_m": round(sum(way.length_m for way in _ways(memory)), 1),
        "first_seen_s": min((first for first, _ in seen_ns), default=0) / 1e9,
        "last_seen_s": max((last for _, last in seen_ns), default=0) / 1e9,
    }


def _ways(memory: RobotMemory) -> list[Trajectory]:
    """The way of each robot that the memory knows."""
    with memory.questions.reading() as (view, _):
        robots = view.journey.robots()
    answers = [memory.questions.trajectory(robot=robot).value for robot in robots]
    return [way for way in answers if way is not None]


def _show(figures: dict[str, Any], entities: list[Entity]) -> None:
    console = output.console(stderr=False)
    console.print(output.table("memory", ("figure", ">value"), list(figures.items())))
    rows = [
        (one.entity_id, one.label, one.color, place(one.placement), one.support or "", f"{one.presence:.2f}",
         one.num_views, seconds(one.last_seen_ns))
        for one in entities
    ]  # fmt: skip
    columns = ("id", "label", "colour", "position m", "on", ">presence", ">views", ">last seen")
    console.print(output.table(f"{len(entities)} entities", columns, rows))
