"""A Franka Panda across the table from the front camera. Its meshes and joints are those that gymnasium-robotics carries.

The arm decides nothing: its pose is a function of where the fingertips are, so that it remembers nothing either. It starts
from one pose every time and goes by Newton's steps to where the fingertips are to be; what its seven joints leave free
turns the hand upright as far as it can be.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
from jaxtyping import Float64

from embodied_mem.errors import MissingExtra

from ..engine import mujoco
from .props import GREY, Solid, Vector3
from .robots import ROBOT
from .solids import add_geom, as_text

BASE_M: Vector3 = (0.54, 0.0, 0.06)
"""Where the arm stands: from there it gets to 99 places of 100. It is up to 7 cm short of the two far corners, and of a few
places right before it."""
LINKS = (*(f"link{i}" for i in range(8)), "hand", "finger")
ARM_JOINTS = tuple(f"robot:panda0_joint{i}" for i in range(1, 8))
FINGER_JOINTS = ("robot:panda0_finger_joint1", "robot:panda0_finger_joint2")
START_RAD = (0.0, 0.314, 0.0, -2.329, 0.0, 1.074, 0.0)
"""The hand upright over the middle of the table."""
R_WORLD_HAND = np.diag([-1.0, 1.0, -1.0])
"""Fingers point down and open along y, as those of the gripper without an arm do."""
MOST_STEPS, UPRIGHT_STEPS, LONGEST_STEP_RAD = 60, 30, 0.3
NEAR_M, NEAR_RAD = 1e-5, 1e-4
EASE_M2, EASE_RAD2 = 1e-6, 1e-2
"""How much error Newton's steps bear with for going less far, near poses in which a direction is lost."""


class Panda:
    """The arm; see `robots.Robot`.

    Raises:
        MissingExtra: gymnasium-robotics is not installed.
    """

    def __init__(self) -> None:
        self._folder = _assets()

    def add_to(self, scene: ET.Element) -> None:
        ET.SubElement(scene, "compiler", angle="radian", boundmass="0.001", boundinertia="0.000001")
        asset = ET.SubElement(scene, "asset")
        for name in LINKS:
            ET.SubElement(
                asset, "mesh", name=name, file=str(self._folder / "meshes" / "visual" / f"{name}.stl")
            )
        world = scene.find("worldbody")
        assert world is not None, "a scene has a worldbody"
        stand = Solid(shape="box", size_m=(0.2, 0.2, 0.6), offset_m=(BASE_M[0] + 0.03, 0.0, BASE_M[2] - 0.3))
        add_geom(world, f"{ROBOT}/stand", stand, GREY)
        world.append(self._arm())

    def find_in(self, model: Any, data: Any) -> None:
        self._model, self._data = model, data
        self._trial = mujoco.MjData(model)
        self._tip = int(model.site("end_effector").id)
        self._arm_at = [int(model.joint(name).qposadr[0]) for name in ARM_JOINTS]
        self._moves = [int(model.joint(name).dofadr[0]) for name in ARM_JOINTS]
        self._fingers_at = [int(model.joint(name).qposadr[0]) for name in FINGER_JOINTS]
        self._low, self._high = np.array([model.joint(name).range for name in ARM_JOINTS]).T

    def reach(self, place: Vector3) -> Vector3:
        """The place itself to a hundredth of a millimetre, or as near as the arm gets."""
        self._solve(place)
        reached = self._trial.site_xpos[self._tip]
        if np.linalg.norm(reached - place) <= NEAR_M:
            return place
        x, y, z = reached.tolist()
        return x, y, z

    def show(self, tip: Vector3, opening_m: float) -> None:
        self._data.qpos[self._arm_at] = self._solve(tip)
        self._data.qpos[self._fingers_at] = opening_m / 2

    def _solve(self, tip: Vector3) -> Float64[np.ndarray, "7"]:
        """The joints' angles for the fingertips at a place or as near to it as was found, from the same start each time."""
        trial = self._trial
        trial.qpos[self._arm_at] = START_RAD
        nearest_m, nearest = np.inf, np.array(START_RAD)
        for number in range(MOST_STEPS):
            mujoco.mj_kinematics(self._model, trial)
            away_m = np.subtract(tip, trial.site_xpos[self._tip])
            distance_m = float(np.linalg.norm(away_m))
            if distance_m <= max(
                nearest_m, NEAR_M
            ):  # of those that are there, the last one: its hand is the most upright
                nearest_m, nearest = distance_m, trial.qpos[self._arm_at].copy()
            R = trial.site_xmat[self._tip].reshape(3, 3)
            turn = 0.5 * np.cross(R, R_WORLD_HAND, axis=0).sum(axis=1)
            if distance_m < NEAR_M and np.linalg.norm(turn) < NEAR_RAD:
                break
            # A hand that cannot be upright there leans as the arm stretches.
            step = self._step(away_m, turn if number < UPRIGHT_STEPS else None)
            step /= max(1.0, float(np.abs(step).max()) / LONGEST_STEP_RAD)
            trial.qpos[self._arm_at] = np.clip(trial.qpos[self._arm_at] + step, self._low, self._high)
        trial.qpos[self._arm_at] = nearest
        mujoco.mj_kinematics(self._model, trial)
        return nearest

    def _step(
        self, away_m: Float64[np.ndarray, "3"], turn: Float64[np.ndarray, "3"] | None
    ) -> Float64[np.ndarray, "7"]:
        """One of Newton's: the place first, then the hand's direction by what moves no fingertip."""
        along, around = np.zeros((3, self._model.nv)), np.zeros((3, self._model.nv))
        mujoco.mj_comPos(self._model, self._trial)
        mujoco.mj_jacSite(self._model, self._trial, along, around, self._tip)
        along, around = along[:, self._moves], around[:, self._moves]
        back = along.T @ np.linalg.inv(along @ along.T + EASE_M2 * np.eye(3))
        step = np.asarray(back @ away_m)
        if turn is None:
            return step
        free = around @ (np.eye(len(step)) - back @ along)
        rest = np.linalg.solve(free @ free.T + EASE_RAD2 * np.eye(3), turn - around @ step)
        return np.asarray(step + free.T @ rest)

    def _arm(self) -> ET.Element:
        """The chain of links with what is seen of them only; nothing here collides or weighs."""
        base = ET.parse(self._folder / "chain.xml").getroot().find("body")
        assert base is not None, "the chain begins with a body"
        base.set("pos", as_text(BASE_M))
        base.set("quat", "0 0 0 1")
        number = 0
        for body in base.iter("body"):
            body.attrib.pop("childclass", None)
            for joint in body.findall("joint"):
                del joint.attrib["class"]
                joint.set("limited", "true")
                joint.attrib.setdefault("axis", "0 0 1")
            for geom in body.findall("geom"):
                if geom.get("class") != "panda_viz":
                    body.remove(geom)
                    continue
                del geom.attrib["class"]
                number += 1
                geom.attrib |= {
                    "name": f"{ROBOT}/{number}", "type": "mesh", "mesh": geom.attrib["mesh"].removesuffix("_viz"),
                    "rgba": "0.8 0.8 0.82 1", "contype": "0", "conaffinity": "0",
                }  # fmt: skip
        return base


def _assets() -> Path:
    """The folder of the Panda within gymnasium-robotics, which is not imported: its files are all that is needed."""
    found = importlib.util.find_spec("gymnasium_robotics")
    if found is None or found.origin is None:
        raise MissingExtra(
            "robot='panda' needs gymnasium-robotics, which carries its meshes: pip install 'embodied_mem[panda]'"
        )
    return Path(found.origin).parent / "envs" / "assets" / "kitchen_franka" / "franka_assets"
