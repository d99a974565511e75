"""Writes a table with a task's props as a MuJoCo model: every prop a body that is placed, nothing dynamic."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from ..mjcf import FAR_M, NEAR_M
from .props import Prop, Solid
from .robots import Robot
from .solids import add_geom

CAMERAS: dict[str, tuple[str, str]] = {
    "front": ("-0.50 0 0.72", "0 -1 0 0.805 0 0.593"),
    "top": ("0.02 0 0.92", "0 -1 0 1 0 0"),
    "side": ("0.02 -0.70 0.50", "1 0 0 0 0.60 0.80"),
}
"""Name -> position (m) and the picture's x and y axes in world."""
FOVY_DEG = 48.0


def write_scene(props: Sequence[Prop], robot: Robot, *, height_px: int, width_px: int) -> str:
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
    add_geom(world, "table/0", table, (0.72, 0.64, 0.52))
    robot.add_to(root)
    for prop in props:
        body = ET.SubElement(world, "body", name=prop.name, mocap="true", pos="0 0 -60")
        for number, solid in enumerate(prop.solids):
            add_geom(body, f"{prop.name}/{number}", solid, solid.colour or prop.colour)
    return ET.tostring(root, encoding="unicode")
