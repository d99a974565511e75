"""Writes a table with a task's props as a MuJoCo model: every prop a body that is placed, nothing dynamic."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from ..mjcf import FAR_M, NEAR_M
from .props import DARK, GREY, WHITE, Colour, Prop, Solid

CAMERAS: dict[str, tuple[str, str]] = {
    "front": ("-0.50 0 0.72", "0 -1 0 0.805 0 0.593"),
    "top": ("0.02 0 0.92", "0 -1 0 1 0 0"),
    "side": ("0.02 -0.70 0.50", "1 0 0 0 0.60 0.80"),
}
"""Name -> position (m) and the picture's x and y axes in world."""
FOVY_DEG = 48.0
PALM, FINGERS = "palm", ("finger_left", "finger_right")


def write_scene(props: Sequence[Prop], *, height_px: int, width_px: int) -> str:
    """MJCF text. Bodies are named as their props, geoms `<prop>/<number>`."""
    root = ET.Element("mujoco", model="tabletop")
    ET.SubElement(root, "statistic", extent="1", center="0 0 0")
    visual = ET.SubElement(root, "visual")
    ET.SubElement(visual, "map", znear=str(NEAR_M), zfar=str(FAR_M))
    ET.SubElement(visual, "quality", shadowsize="0", offsamples="0")
    ET.SubElement(visual, "global", offwidth=str(width_px), offheight=str(height_px))
    ET.SubElement(visual, "headlight", ambient="0.45 0.45 0.45", diffuse="0.4 0.4 0.4", specular="0 0 0")
    world = ET.SubElement(root, "worldbody")
    ET.SubElement(
        world, "light", pos="-0.3 0.4 1.5", dir="0.2 -0.3 -1", diffuse="0.5 0.5 0.5", specular="0 0 0",
        castshadow="false",
    )  # fmt: skip
    for name, (position, axes) in CAMERAS.items():
        ET.SubElement(world, "camera", name=name, pos=position, xyaxes=axes, fovy=str(FOVY_DEG))
    table = Solid(shape="box", size_m=(0.9, 0.9, 0.04), offset_m=(0.0, 0.0, -0.02))
    _geom(world, "table/0", table, (0.72, 0.64, 0.52))
    _gripper(world)
    for prop in props:
        body = ET.SubElement(world, "body", name=prop.name, mocap="true", pos="0 0 -60")
        for number, solid in enumerate(prop.solids):
            _geom(body, f"{prop.name}/{number}", solid, solid.colour or prop.colour)
    return ET.tostring(root, encoding="unicode")


def _gripper(world: ET.Element) -> None:
    """The palm's frame is the point between the fingertips."""
    palm = ET.SubElement(world, "body", name=PALM, mocap="true")
    _geom(palm, "palm/0", Solid(shape="box", size_m=(0.04, 0.12, 0.03), offset_m=(0.0, 0.0, 0.085)), GREY)
    _geom(palm, "palm/1", Solid(shape="cylinder", size_m=(0.05, 0.14), offset_m=(0.0, 0.0, 0.17)), WHITE)
    for name in FINGERS:
        finger = ET.SubElement(world, "body", name=name, mocap="true")
        _geom(
            finger,
            f"{name}/0",
            Solid(shape="box", size_m=(0.018, 0.008, 0.075), offset_m=(0.0, 0.0, 0.035)),
            DARK,
        )


def _geom(body: ET.Element, name: str, solid: Solid, colour: Colour) -> None:
    half = [size / 2 for size in solid.size_m]
    ET.SubElement(
        body, "geom", name=name, type=solid.shape, size=_text(half), pos=_text(solid.offset_m),
        rgba=_text((*colour, 1.0)), contype="0", conaffinity="0",
    )  # fmt: skip


def _text(numbers: Sequence[float]) -> str:
    return " ".join(f"{n:.6g}" for n in numbers)
