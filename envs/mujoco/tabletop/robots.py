"""What moves things on the table. By default a gripper without an arm; `panda` has one with an arm."""

from __future__ import annotations

from typing import Any, Protocol
from xml.etree import ElementTree as ET

import numpy as np

from .props import DARK, GREY, WHITE, Solid, Vector3
from .solids import add_geom

ROBOT = "robot"
"""Geoms of a robot are called `robot/<anything>`."""
PALM, FINGERS = "palm", ("finger_left", "finger_right")


class Robot(Protocol):
    """How a robot gets into the scene and shows where its fingertips are. It decides nothing."""

    def add_to(self, scene: ET.Element) -> None:
        """Writes its bodies into a scene's MJCF."""

    def find_in(self, model: Any, data: Any) -> None:
        """Looks its bodies up in the compiled scene."""

    def reach(self, place: Vector3) -> Vector3:
        """Where the fingertips get to when they are told to go to a place."""

    def show(self, tip: Vector3, opening_m: float) -> None:
        """Takes the pose with the fingertips at `tip` and so far apart."""


class Gripper:
    """A palm and two fingers that point down and get everywhere."""

    def add_to(self, scene: ET.Element) -> None:
        """The palm's frame is the point between the fingertips."""
        world = scene.find("worldbody")
        assert world is not None, "a scene has a worldbody"
        palm = ET.SubElement(world, "body", name=PALM, mocap="true")
        wrist = Solid(shape="box", size_m=(0.04, 0.12, 0.03), offset_m=(0.0, 0.0, 0.085))
        add_geom(palm, f"{ROBOT}/palm", wrist, GREY)
        stem = Solid(shape="cylinder", size_m=(0.05, 0.14), offset_m=(0.0, 0.0, 0.17))
        add_geom(palm, f"{ROBOT}/stem", stem, WHITE)
        for name in FINGERS:
            finger = ET.SubElement(world, "body", name=name, mocap="true")
            solid = Solid(shape="box", size_m=(0.018, 0.008, 0.075), offset_m=(0.0, 0.0, 0.035))
            add_geom(finger, f"{ROBOT}/{name}", solid, DARK)

    def find_in(self, model: Any, data: Any) -> None:
        self._places = data.mocap_pos
        self._slot = {name: int(model.body(name).mocapid[0]) for name in (PALM, *FINGERS)}

    def reach(self, place: Vector3) -> Vector3:
        return place

    def show(self, tip: Vector3, opening_m: float) -> None:
        self._places[self._slot[PALM]] = tip
        for name, side in zip(FINGERS, (1.0, -1.0), strict=True):
            self._places[self._slot[name]] = np.add(tip, (0.0, side * (opening_m / 2 + 0.004), 0.0))


def make_robot(name: str) -> Robot:
    """A robot by the name of the env's option.

    Raises:
        MissingExtra: the Panda's meshes are not installed.
    """
    if name == "gripper":
        return Gripper()
    from .panda import Panda

    return Panda()
