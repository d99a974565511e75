"""`embodied-mem home`: a furnished home as files that Habitat loads."""

from __future__ import annotations

from pathlib import Path

import click

from embodied_mem.cli import output

EPILOG = """\b
Examples:
  embodied-mem home outputs/home3 --seed 3
  embodied-mem home outputs/large --rooms 7 --json
"""


@click.command("home", epilog=EPILOG)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--seed", default=0, show_default=True, help="The same seed writes the same bytes.")
@click.option("--rooms", default=5, show_default=True, help="How many rooms.")
@output.json_option
def command(folder: Path, seed: int, rooms: int, as_json: bool) -> None:
    """Write a home into FOLDER: meshes, semantics and a scene dataset configuration, with its truth beside it."""
    from embodied_mem.envs.habitat.homes import write_home

    home = write_home(folder, seed, num_rooms=rooms)
    result = {
        "scene_dataset": str(home.scene_dataset),
        "scene": home.scene,
        "instances": len(home.boxes),
        "categories": len({category for category, _ in home.boxes.values()}),
        "objects": {name: str(path) for name, path in home.objects.items()},
    }
    output.print_result(result, as_json, lambda: _show(result))


def _show(result: dict[str, object]) -> None:
    click.echo(
        f"{result['instances']} instances of {result['categories']} categories in {result['scene_dataset']}\n"
        f"gymnasium.make('EmbodiedMem/Habitat-v0', scene={result['scene']!r}, "
        f"scene_dataset={result['scene_dataset']!r})"
    )
