"""Playing a memory task in a terminal."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from embodied_mem.cli.main import cli

pytestmark = pytest.mark.mujoco


def played(task: str, moves: list[str], *options: str):
    return CliRunner().invoke(cli, ["play", task, "--json", *options], input="\n".join(moves) + "\n")


def places(task: str, seed: int):
    """Where things stand in an episode, and what was hidden."""
    import gymnasium

    from embodied_mem.envs import task_id

    env = gymnasium.make(task_id(task), image_size=(16, 16)).unwrapped
    env.reset(seed=seed)
    layout, hidden = env.episode.layout.places, env.episode.hidden.index
    env.close()
    return {name: f"{place[0]:.3f} {place[1]:.3f}" for name, place in layout.items()}, hidden


def test_a_player_who_remembers_puts_the_block_back():
    where, hidden = places("PutBlockBack", 2)
    home = where[f"pad{hidden}"]
    moves = [
        f"take {home}", f"put {where['block']}", f"press {where['button']}", "wait", f"take {where['block']}",
        f"put {home}",
    ]  # fmt: skip
    done = played("PutBlockBack", moves, "--seed", "2")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert (result["success"], result["task"], result["chance"]) == (True, "PutBlockBack", 0.25)
    assert "red block at" in done.stderr
    assert "▀" in done.stderr


def test_a_player_pulls_drawers_and_lifts():
    from embodied_mem.envs.mujoco.tabletop.tasks.places import handle

    where, hidden = places("HiddenInDrawer", 1)
    x, y = (float(number) for number in where[f"drawer{hidden}"].split())
    knob = handle((x, y, 0.008), 0.0)
    moves = ["wait", "wait", "wait", "wait", "wait", "wait", f"pull {knob[0]:.3f} {knob[1]:.3f}"]
    assert json.loads(played("HiddenInDrawer", moves, "--seed", "1").stdout)["success"]
    where, _ = places("LiftNTimes", 0)
    lift = [f"take {where['block']}", "lift", f"put {where['block']}", "wait", "wait"]
    assert json.loads(played("LiftNTimes", [*(lift * 3), f"press {where['button']}"]).stdout)["success"]


def test_a_player_walks_through_a_home_and_says_where_the_thing_was():
    import gymnasium

    from embodied_mem.envs import task_id

    env = gymnasium.make(task_id("FetchSeenObject"), image_size=(16, 16)).unwrapped
    env.reset(seed=5)
    hidden, names = env.hidden, [place.receptacle.name for place in env.stage.places]
    env.close()
    moves = ["jump 1", *(f"look {n}" for n in range(5)), *["look 0"] * 3, f"choose {hidden}"]
    done = played("FetchSeenObject", moves, "--seed", "5")
    result = json.loads(done.stdout)
    assert (result["success"], result["chance"]) == (True, 0.2)
    assert f"places: 0 {names[0]}, 1 {names[1]}" in done.stderr
    assert "no move 'jump 1'" in done.stderr


def test_a_player_follows_somebody():
    done = played("TrackPerson", ["run", "stay", "ahead-left", "quit"])
    assert json.loads(done.stdout)["steps"] == 2
    assert "no move 'run'" in done.stderr


def test_moves_that_cannot_be_read_cost_nothing_and_stopping_is_no_success():
    done = played("RememberColor3", ["jump", "press 1", "quit"])
    assert json.loads(done.stdout) == {
        "task": "RememberColor3", "seed": 0, "chance": pytest.approx(1 / 3), "success": False, "failure": "stopped",
        "steps": 0,
    }  # fmt: skip
    assert "no move 'jump'" in done.stderr
    assert "needs two numbers" in done.stderr


def test_an_unknown_task_is_refused_with_the_nearest():
    done = CliRunner().invoke(cli, ["play", "PutBlokBack"])
    assert "Did you mean 'PutBlockBack'" in str(done.exception)
