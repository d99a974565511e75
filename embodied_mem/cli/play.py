"""`embodied-mem play`: try a memory task yourself, in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from embodied_mem.cli import output
from embodied_mem.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

    from embodied_mem.envs.mujoco.tabletop.task import KeyPose

EPILOG = """\b
Examples:
  embodied-mem play PutBlockBack
  embodied-mem play ShellGameSwap --seed 7 --delay 10
  embodied-mem play HiddenInDrawer --json < my_moves.txt

\b
Moves (metres; x is ahead, y is left):
  press X Y    come down there and go up again
  take X Y     close the fingers there       put X Y     carry it there and let go
  pull X Y     pull the knob there           lift        raise what is held
  wait         do nothing                    quit        stop

\b
Moves in a home (places have numbers):
  look N       go to a place and look at it  choose N    choose it, or give that answer
  search N     look for the thing there      quit        stop
TrackPerson: stay, ahead, left, right, ahead-left, ahead-right, quit.
"""
MOVES = ("press", "take", "put", "pull", "lift", "wait", "quit")
PLACE_MOVES = ("look", "search", "choose")
WALKS = ("stay", "ahead", "left", "right", "ahead-left", "ahead-right")
"""In the order of TrackPerson's actions."""
PICTURE_COLUMNS = 64
TRAVEL_M, LIFT_M, BLOCK_HALF_M, KNOB_M, PULL_M = 0.16, 0.18, 0.0225, 0.044, 0.12


@click.command("play", epilog=EPILOG)
@click.argument("task")
@click.option("--seed", default=0, show_default=True, help="The episode.")
@click.option("--delay", default=2, show_default=True, help="Steps for which the gate stays shut.")
@click.option("--interference", default=0, show_default=True, help="Distracting scenes behind the gate.")
@output.json_option
def command(task: str, seed: int, delay: int, interference: int, as_json: bool) -> None:
    """Play one episode of the memory task TASK, such as PutBlockBack (docs/tasks.md lists them)."""
    import gymnasium

    from embodied_mem.benchmarks.suite.report import chances
    from embodied_mem.envs import task_id

    (chance,) = chances([task]).values()
    env: Any = gymnasium.make(
        task_id(task), delay=delay, interference=interference, disable_env_checker=True
    ).unwrapped
    try:
        result = _play(env, seed)
    finally:
        env.close()
    result = {"task": task, "seed": seed, "chance": chance, **result}
    output.print_result(result, as_json, lambda: click.echo(_verdict(result)))


def _play(env: Any, seed: int) -> dict[str, Any]:
    """One episode from the moves on stdin; whatever is to be seen goes to stderr."""
    observation, info = env.reset(seed=seed)
    click.echo(observation["instruction"], err=True)
    if _has_places(env):
        names = (f"{number} {place.receptacle.name}" for number, place in enumerate(env.stage.places))
        click.echo("places: " + ", ".join(names), err=True)
    is_over, num_steps = False, 0
    while not is_over:
        _show(env, observation, info)
        try:
            word = click.prompt("move", err=True)
            actions = _actions(word.split(), env)
        except ConfigError as error:
            click.echo(str(error), err=True)
            continue
        except click.Abort:
            break
        if actions is None:
            break
        for action in actions:
            if not is_over:
                observation, _, terminated, truncated, info = env.step(action)
                num_steps, is_over = num_steps + 1, terminated or truncated
    return {
        "success": info["success"],
        "failure": info["failure"] or ("" if is_over else "stopped"),
        "steps": num_steps,
    }


def _verdict(result: dict[str, Any]) -> str:
    if result["success"]:
        return f"Right, after {result['steps']} steps. By chance: {result['chance']:.3g}."
    return f"Not solved ({result['failure']}), after {result['steps']} steps."


def _show(env: Any, observation: dict[str, Any], info: dict[str, Any]) -> None:
    """The picture, and what is in it with its place."""
    from embodied_mem.benchmarks.suite.seeing import sightings_of
    from embodied_mem.envs.frames import to_frame

    click.echo(_as_text(observation["rgb"]), err=True)
    seen = sightings_of(to_frame(observation, info, env.category_names))
    names = (f"{one.color} {one.label} at {one.position_m[0]:.2f} {one.position_m[1]:.2f}" for one in seen)
    click.echo("; ".join(names) or "nothing to be seen", err=True)


def _as_text(rgb: np.ndarray) -> str:
    """A picture in half blocks of colour."""
    step = max(1, rgb.shape[1] // PICTURE_COLUMNS)
    small = rgb[::step, ::step]
    lines = []
    for top, bottom in zip(small[::2], small[1::2], strict=False):
        cells = (
            f"\x1b[38;2;{a};{b};{c};48;2;{d};{e};{f}m▀"
            for (a, b, c), (d, e, f) in zip(top, bottom, strict=True)
        )
        lines.append("".join(cells) + "\x1b[0m")
    return "\n".join(lines)


def _actions(words: list[str], env: Any) -> list[Any] | None:
    """The actions of a move; None to stop.

    Raises:
        ConfigError: it cannot be read; the message says how moves are written.
    """
    from embodied_mem.envs.mujoco.mobile import TRACK_PERSON

    if words == ["quit"]:
        return None
    if TRACK_PERSON in env.spec.id:
        return [_walk(words)]
    return [_place(words)] if _has_places(env) else _poses(words, env)


def _has_places(env: Any) -> bool:
    """Whether it is a task whose choices are places in a home."""
    from embodied_mem.envs.mujoco.mobile import MOBILE_TASK_NAMES

    return any(name in env.spec.id for name in MOBILE_TASK_NAMES)


def _walk(words: list[str]) -> int:
    if len(words) != 1 or words[0] not in WALKS:
        raise ConfigError(f"no move {' '.join(words)!r}; moves are {', '.join(WALKS)}, quit.")
    return WALKS.index(words[0])


def _place(words: list[str]) -> int:
    from embodied_mem.envs.mujoco.mobile.config import NUM_PLACES

    numbers = [str(number) for number in range(NUM_PLACES)]
    if len(words) != 2 or words[0] not in PLACE_MOVES or words[1] not in numbers:
        raise ConfigError(
            f"no move {' '.join(words)!r}; moves are look N, search N, choose N with N in {', '.join(numbers)}, quit."
        )
    return int(words[1]) + (NUM_PLACES if words[0] == "choose" else 0)


def _poses(words: list[str], env: Any) -> list[np.ndarray]:
    from embodied_mem.envs.mujoco.tabletop.expert import key_pose_action

    if not words or words[0] not in MOVES:
        raise ConfigError(
            f"no move {' '.join(words)!r}; moves are press X Y, take X Y, put X Y, pull X Y, lift, wait, quit."
        )
    try:
        x, y = (
            (float(word) for word in words[1:])
            if words[0] in ("press", "take", "put", "pull")
            else (0.0, 0.0)
        )
    except ValueError:
        raise ConfigError(f"{' '.join(words)!r} needs two numbers: {words[0]} X Y, in metres.") from None
    return [key_pose_action(pose) for pose in _key_poses(words[0], x, y, env._table)]


def _key_poses(move: str, x: float, y: float, table: Any) -> list[KeyPose]:
    from embodied_mem.envs.mujoco.tabletop.task import KeyPose

    def pose(px: float, py: float, pz: float, *, close: bool = False) -> KeyPose:
        return KeyPose(position_m=(px, py, pz), close=close)

    tip_x, tip_y, tip_z = table.tip
    match move:
        case "press":
            return [pose(x, y, 0.03), pose(x, y, TRAVEL_M)]
        case "take":
            return [pose(x, y, BLOCK_HALF_M, close=True)]
        case "put":
            return [pose(x, y, BLOCK_HALF_M), pose(x, y, TRAVEL_M)]
        case "pull":
            end = x - PULL_M
            return [pose(x, y, KNOB_M, close=True), pose(end, y, KNOB_M, close=True), pose(end, y, KNOB_M)]
        case "lift":
            return [pose(tip_x, tip_y, LIFT_M, close=True)]
    return [pose(tip_x, tip_y, tip_z, close=table.is_closed)]
