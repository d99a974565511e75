"""`embodied-mem export`: a saved memory in other programs' formats."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from embodied_mem.cli import output
from embodied_mem.cli.memory_file import opened
from embodied_mem.errors import UnsupportedEncoding

if TYPE_CHECKING:
    from embodied_mem.robot_memory import RobotMemory

EPILOG = """\b
Examples:
  embodied-mem export outputs/demo/memory map.ply
  embodied-mem export outputs/demo/memory map.splat.ply
  embodied-mem export outputs/demo/memory entities.json
  embodied-mem export outputs/demo/memory home.png
  embodied-mem export outputs/demo/memory home.rrd && rerun home.rrd
  embodied-mem export outputs/demo/memory home.graphml
  embodied-mem export outputs/demo/memory home.dsg.json
"""


@click.command("export", epilog=EPILOG)
@click.argument("memory", type=click.Path(exists=True, path_type=Path))
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
@output.json_option
def command(memory: Path, target: Path, as_json: bool) -> None:
    """Write the saved MEMORY to TARGET; its suffix says what.

    .ply and .pcd are the map's coloured points, .splat.ply its Gaussians for splat viewers;
    .json the entities with their histories, .png the top-down picture;
    .rrd a recording for the rerun viewer, to look around in and to scrub through time;
    .dsg.json is the scene graph for spark_dsg, .graph.json the same in plain words, .graphml for graph programs.
    """
    suffix = next((one for one in sorted(WRITERS, key=len, reverse=True) if target.name.endswith(one)), None)
    if suffix is None:
        raise UnsupportedEncoding(
            f"cannot export to {str(target)!r}: the suffix must be one of {sorted(WRITERS)}. Rename the target."
        )
    with opened(memory) as robot_memory:
        target.parent.mkdir(parents=True, exist_ok=True)
        number = WRITERS[suffix](robot_memory, target)
    result = {"memory": str(memory), "target": str(target), "items": number}
    output.print_result(result, as_json, lambda: click.echo(f"wrote {number} items to {target}"))


def write_ply(memory: RobotMemory, target: Path) -> int:
    """The map's occupied Gaussians as a binary point cloud with colours; how many there are."""
    import numpy as np

    snapshot = memory.map_snapshot()
    is_occupied = snapshot.occupancy >= 0.5
    points = np.empty(int(is_occupied.sum()), dtype=[("xyz", "<f4", 3), ("rgb", "u1", 3)])
    points["xyz"], points["rgb"] = snapshot.means_world[is_occupied], snapshot.color_rgb[is_occupied]
    properties = [
        *(f"property float {axis}" for axis in "xyz"),
        *(f"property uchar {c}" for c in ("red", "green", "blue")),
    ]
    header = [
        "ply",
        "format binary_little_endian 1.0",
        f"element vertex {len(points)}",
        *properties,
        "end_header",
        "",
    ]
    target.write_bytes("\n".join(header).encode("ascii") + points.tobytes())
    return len(points)


def write_splats(memory: RobotMemory, target: Path) -> int:
    """The map's occupied Gaussians as splat viewers open them; how many there are."""
    from embodied_mem.viz.splats import splat_ply

    snapshot = memory.map_snapshot()
    target.write_bytes(splat_ply(snapshot))
    return len(snapshot.occupied())


def write_pcd(memory: RobotMemory, target: Path) -> int:
    """The map's occupied Gaussians as a point cloud with colours and normals, through open3d; how many there are."""
    from embodied_mem.viz.splats import write_cloud

    return write_cloud(memory.map_snapshot(), target)


def write_json(memory: RobotMemory, target: Path) -> int:
    """Every entity with where it has been; how many there are."""
    entities = memory.entities()
    records = [
        {**output.jsonable(entity), "history": output.jsonable(memory.history(entity.entity_id).value)}
        for entity in entities
    ]
    target.write_text(json.dumps({"entities": records}, indent=1) + "\n", encoding="utf-8")
    return len(records)


def write_png(memory: RobotMemory, target: Path) -> int:
    """The map from above with its things and what moved; how many things it shows."""
    from embodied_mem.viz.maps import top_down_map
    from embodied_mem.viz.report import png_bytes

    entities = memory.entities()
    changes = memory.changes().value or ()
    target.write_bytes(png_bytes(top_down_map(memory.map_snapshot(), entities, moves=changes)))
    return len(entities)


def write_graph(memory: RobotMemory, target: Path) -> int:
    """The scene graph in the format that the suffix names; how many nodes it has."""
    from embodied_mem.serve import scene_graph
    from embodied_mem.serve.memory_graph import graph_of

    writers = {
        ".dsg.json": scene_graph.write_dsg,
        ".graph.json": scene_graph.write_json,
        ".graphml": scene_graph.write_graphml,
    }
    graph = graph_of(memory)
    next(write for suffix, write in writers.items() if target.name.endswith(suffix))(graph, target)
    return len(graph.nodes)


def write_rrd(memory: RobotMemory, target: Path) -> int:
    """The map, and every entity's box for as long as it was there; how many boxes."""
    from embodied_mem.viz.recording import write_recording

    entities = memory.entities()
    histories = {one.entity_id: memory.history(one.entity_id).value or () for one in entities}
    return write_recording(target, memory.map_snapshot(), entities, histories, memory.changes().value or ())


WRITERS: dict[str, Callable[[RobotMemory, Path], int]] = {
    ".ply": write_ply,
    ".splat.ply": write_splats,
    ".pcd": write_pcd,
    ".json": write_json,
    ".png": write_png,
    ".rrd": write_rrd,
    ".dsg.json": write_graph,
    ".graph.json": write_graph,
    ".graphml": write_graph,
}
