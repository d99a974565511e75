"""Writes a home as a MuJoCo model: bodies that are moved by setting poses and joints, nothing dynamic."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass, field

from .furniture import MovingPart
from .home import Home
from .parts import Colour, Part, Vector3, box, cylinder, ellipsoid
from .plan import DOOR_HEIGHT_M, DOOR_WIDTH_M, OUTSIDE, WALL_HEIGHT_M, WALL_M, Doorway, Furniture, Room

CEILING_GROUP = 4
CAMERA_HEIGHT_M = 1.20
CAMERA_FORWARD_M = 0.06
HEAD = "head"
AROUND = {
    "left": ("1 0 0", (0.0, 0.12, 0.0)),
    "right": ("-1 0 0", (0.0, -0.12, 0.0)),
    "back": ("0 1 0", (-0.12, 0.0, 0.0)),
}
"""Cameras that turn with the head and do not tilt: the picture's x axis, and the place, in the head's frame."""
ROBOT_CAMERAS = (HEAD, *AROUND)
ROBOT_RADIUS_M = 0.20
HAND_OFFSET_M: Vector3 = (0.34, 0.0, 0.72)
PERSON_HEIGHT_M = 1.72
NEAR_M, FAR_M = 0.05, 40.0
LEAF_M = 0.035
SKIN: Colour = (0.85, 0.66, 0.53)
CLOTHES: Colour = (0.20, 0.42, 0.40)
ROBOT_COLOUR: Colour = (0.90, 0.90, 0.93)


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One thing a segmentation tells apart. Several geoms may belong to it."""

    name: str
    category: str


@dataclass
class HomeModel:
    """MJCF text, and which instance every named geom belongs to (index into `instances`, 0 is void)."""

    xml: str
    instances: tuple[Instance, ...]
    geom_instance: dict[str, int] = field(default_factory=dict)


class _Writer:
    """Collects geoms under bodies and remembers what they belong to."""

    def __init__(self) -> None:
        self.root = ET.Element("mujoco", model="household")
        self.instances: list[Instance] = [Instance(name="void", category="void")]
        self.geom_instance: dict[str, int] = {}

    def instance(self, name: str, category: str) -> int:
        self.instances.append(Instance(name=name, category=category))
        return len(self.instances) - 1

    def geom(self, body: ET.Element, instance: int, part: Part, colour: Colour, *, group: int = 0) -> None:
        name = f"g{len(self.geom_instance)}"
        self.geom_instance[name] = instance
        sx, sy, sz = (s / 2 for s in part.size_m)
        size = {"box": (sx, sy, sz), "ellipsoid": (sx, sy, sz), "cylinder": (sx, sz), "sphere": (sx,)}[
            part.shape
        ]
        ET.SubElement(
            body,
            "geom",
            name=name,
            type=part.shape,
            size=_text(size),
            pos=_text(part.offset_m),
            rgba=_text((*part.painted(colour), 1.0)),
            group=str(group),
        )

    def geoms(
        self,
        body: ET.Element,
        instance: int,
        parts: Iterable[Part],
        colour: Colour,
        shift: Vector3 = (0, 0, 0),
    ) -> None:
        for part in parts:
            moved = Part(
                shape=part.shape,
                size_m=part.size_m,
                colour=part.colour,
                shade=part.shade,
                offset_m=(
                    part.offset_m[0] - shift[0],
                    part.offset_m[1] - shift[1],
                    part.offset_m[2] - shift[2],
                ),
            )
            self.geom(body, instance, moved, colour)


def write_mjcf(home: Home, *, fovy_deg: float, offscreen_px: tuple[int, int]) -> HomeModel:
    """The model of a home. `offscreen_px` is the largest (height, width) that will be rendered."""
    writer = _Writer()
    _write_settings(writer.root, offscreen_px)
    world = ET.SubElement(writer.root, "worldbody")
    _write_lights(world, home)
    _write_structure(writer, world, home)
    for doorway in home.plan.doorways:
        _write_doorway(writer, world, doorway)
    for piece in home.plan.furniture:
        _write_furniture(writer, world, piece)
    for thing in home.objects:
        body = ET.SubElement(world, "body", name=thing.id, mocap="true", pos=_text(thing.position_world))
        writer.geoms(body, writer.instance(thing.id, thing.kind.name), thing.kind.parts, thing.colour)
    _write_person(writer, world)
    _write_robot(writer, world, fovy_deg)
    xml = ET.tostring(writer.root, encoding="unicode")
    return HomeModel(xml=xml, instances=tuple(writer.instances), geom_instance=writer.geom_instance)


def joint_name(piece: Furniture, part: MovingPart) -> str:
    """Drawers carry the name of their receptacle."""
    return f"{piece.name} {part.name.replace('_', ' ')}"


def _text(numbers: Iterable[float]) -> str:
    return " ".join(repr(float(n)) for n in numbers)


def _write_settings(root: ET.Element, offscreen_px: tuple[int, int]) -> None:
    ET.SubElement(root, "compiler", angle="radian", autolimits="true")
    option = ET.SubElement(root, "option", gravity="0 0 0")
    ET.SubElement(option, "flag", contact="disable")
    ET.SubElement(root, "statistic", extent="1", center="0 0 0")
    visual = ET.SubElement(root, "visual")
    height, width = offscreen_px
    ET.SubElement(visual, "global", offwidth=str(width), offheight=str(height))
    ET.SubElement(visual, "quality", shadowsize="0", offsamples="0", numslices="20", numstacks="10")
    ET.SubElement(visual, "map", znear=repr(NEAR_M), zfar=repr(FAR_M))
    ET.SubElement(visual, "headlight", ambient="0.42 0.42 0.42", diffuse="0.30 0.30 0.30", specular="0 0 0")
    asset = ET.SubElement(root, "asset")
    ET.SubElement(
        asset,
        "texture",
        name="sky",
        type="skybox",
        builtin="flat",
        rgb1="0.75 0.85 0.95",
        width="32",
        height="32",
    )


def _write_lights(world: ET.Element, home: Home) -> None:
    x, y = home.plan.bounds.centre
    for dx, dy, strength in ((-0.35, 0.55, 0.32), (0.6, -0.25, 0.20)):
        ET.SubElement(
            world,
            "light",
            directional="true",
            castshadow="false",
            pos=_text((x, y, 6.0)),
            dir=_text((dx, dy, -1.0)),
            diffuse=_text((strength,) * 3),
            specular="0 0 0",
        )


def _write_structure(writer: _Writer, world: ET.Element, home: Home) -> None:
    floor, wall = writer.instance("floor", "floor"), writer.instance("wall", "wall")
    ceiling = writer.instance("ceiling", "ceiling")
    bounds = home.plan.bounds
    (x, y), (sx, sy) = bounds.centre, bounds.size_m
    lid = box((sx, sy, 0.05), (x, y, WALL_HEIGHT_M + 0.025))
    writer.geom(world, ceiling, lid, (0.92, 0.92, 0.90), group=CEILING_GROUP)
    for room in home.plan.rooms:
        _write_floor(writer, world, floor, room)
    tints = {room.name: _wall_colour(room) for room in home.plan.rooms}
    for piece in home.plan.walls:
        (x, y), (sx, sy) = piece.bounds.centre, piece.bounds.size_m
        writer.geom(world, wall, box((sx, sy, WALL_HEIGHT_M), (x, y, WALL_HEIGHT_M / 2)), tints[piece.room])
    for door in home.plan.doorways:
        along = (DOOR_WIDTH_M, WALL_M) if door.through[0] == 0.0 else (WALL_M, DOOR_WIDTH_M)
        lintel = WALL_HEIGHT_M - DOOR_HEIGHT_M
        part = box((*along, lintel), (*door.centre_m, DOOR_HEIGHT_M + lintel / 2))
        writer.geom(world, wall, part, tints["hallway"])
        writer.geom(world, floor, box((*along, 0.10), (*door.centre_m, -0.05)), (0.52, 0.48, 0.44))


def _write_floor(writer: _Writer, world: ET.Element, floor: int, room: Room) -> None:
    """A floor of wide boards or tiles: rows in two tones, which gives pictures something to hold on to."""
    bounds, tile = room.bounds, 0.6
    x, (sx, sy) = bounds.centre[0], bounds.size_m
    rows = max(1, round(sy / tile))
    for row in range(rows):
        shade = 1.0 if row % 2 else 0.93
        part = box((sx, sy / rows, 0.10), (x, bounds.y0 + (row + 0.5) * sy / rows, -0.05), shade=shade)
        writer.geom(world, floor, part, room.floor_colour)


def _wall_colour(room: Room) -> Colour:
    r, g, b = room.floor_colour
    return (0.72 + 0.22 * r, 0.72 + 0.22 * g, 0.72 + 0.22 * b)


def _write_doorway(writer: _Writer, world: ET.Element, door: Doorway) -> None:
    x, y = door.hinge_m
    yaw = door.closed_yaw_rad
    body = ET.SubElement(
        world,
        "body",
        name=door.name,
        pos=_text((x, y, 0.0)),
        quat=_text((math.cos(yaw / 2), 0, 0, math.sin(yaw / 2))),
    )
    swing = door.open_yaw_rad - door.closed_yaw_rad
    limits = (min(0.0, swing), max(0.0, swing))
    ET.SubElement(body, "joint", name=door.name, type="hinge", axis="0 0 1", range=_text(limits))
    width, height = DOOR_WIDTH_M - 0.01, DOOR_HEIGHT_M - 0.02
    instance = writer.instance(door.name, "door")
    colour: Colour = (0.55, 0.38, 0.24) if OUTSIDE not in door.rooms else (0.30, 0.36, 0.34)
    writer.geom(
        body, instance, box((width, LEAF_M, height), (width / 2 + 0.005, 0, height / 2 + 0.01)), colour
    )
    for side in (-1.0, 1.0):
        knob = ellipsoid(
            (0.05, 0.05, 0.05), (width - 0.07, side * (LEAF_M / 2 + 0.02), 1.0), colour=(0.7, 0.65, 0.4)
        )
        writer.geom(body, instance, knob, colour)


def _write_furniture(writer: _Writer, world: ET.Element, piece: Furniture) -> None:
    yaw = piece.quarters * math.pi / 2
    quat = _text((math.cos(yaw / 2), 0, 0, math.sin(yaw / 2)))
    body = ET.SubElement(world, "body", name=piece.name, pos=_text((*piece.position_m, 0.0)), quat=quat)
    instance = writer.instance(piece.name, piece.model.category)
    writer.geoms(body, instance, piece.model.parts, piece.colour)
    for part in piece.model.moving:
        name = joint_name(piece, part)
        child = ET.SubElement(body, "body", name=name, pos=_text(part.hinge_m))
        kind, axis = ("slide", "0 -1 0") if part.kind == "drawer" else ("hinge", "0 0 1")
        limits = (min(0.0, part.travel), max(0.0, part.travel))
        ET.SubElement(child, "joint", name=name, type=kind, axis=axis, range=_text(limits))
        owner = writer.instance(name, "drawer") if part.kind == "drawer" else instance
        writer.geoms(child, owner, part.parts, piece.colour, shift=part.hinge_m)


def _write_person(writer: _Writer, world: ET.Element) -> None:
    """Stands on the body's origin, faces along x."""
    body = ET.SubElement(world, "body", name="person", mocap="true", pos="0 0 -10")
    parts = (
        cylinder(0.15, 0.84, (0, 0.09, 0.42), colour=(0.18, 0.20, 0.30)),
        cylinder(0.15, 0.84, (0, -0.09, 0.42), colour=(0.18, 0.20, 0.30)),
        ellipsoid((0.26, 0.40, 0.66), (0, 0, 1.12)),
        cylinder(0.09, 0.56, (0.02, 0.23, 1.10)),
        cylinder(0.09, 0.56, (0.02, -0.23, 1.10)),
        ellipsoid((0.20, 0.18, 0.26), (0.01, 0, PERSON_HEIGHT_M - 0.13), colour=SKIN),
        ellipsoid((0.21, 0.20, 0.14), (-0.01, 0, PERSON_HEIGHT_M - 0.06), colour=(0.20, 0.13, 0.08)),
    )
    writer.geoms(body, writer.instance("person", "person"), parts, CLOTHES)


def _write_robot(writer: _Writer, world: ET.Element, fovy_deg: float) -> None:
    """A round base with a mast behind the camera; the head pans about z and tilts about y (positive looks down)."""
    instance = writer.instance("robot", "robot")
    base = ET.SubElement(world, "body", name="robot")
    ET.SubElement(base, "joint", name="robot x", type="slide", axis="1 0 0")
    ET.SubElement(base, "joint", name="robot y", type="slide", axis="0 1 0")
    ET.SubElement(base, "joint", name="robot yaw", type="hinge", axis="0 0 1")
    parts = (
        cylinder(2 * ROBOT_RADIUS_M, 0.22, (0, 0, 0.13)),
        cylinder(0.07, 0.90, (-0.06, 0, 0.68), shade=0.5),
        box((0.30, 0.05, 0.04), (0.08, 0, 0.66), shade=0.7),
    )
    writer.geoms(base, instance, parts, ROBOT_COLOUR)
    pan = ET.SubElement(base, "body", name="robot pan", pos=_text((0.0, 0.0, CAMERA_HEIGHT_M)))
    ET.SubElement(pan, "joint", name="robot pan", type="hinge", axis="0 0 1")
    ET.SubElement(
        pan, "inertial", pos="0 0 0", mass="1", diaginertia="1 1 1"
    )  # MuJoCo wants one; nothing uses it
    tilt = ET.SubElement(pan, "body", name="robot head")
    ET.SubElement(tilt, "joint", name="robot tilt", type="hinge", axis="0 1 0")
    writer.geom(tilt, instance, box((0.06, 0.16, 0.08), (-0.02, 0, 0)), ROBOT_COLOUR)
    fovy = repr(fovy_deg)
    ET.SubElement(
        tilt, "camera", name=HEAD, pos=_text((CAMERA_FORWARD_M, 0, 0)), xyaxes="0 -1 0 0 0 1", fovy=fovy
    )
    for name, (right, forward_m) in AROUND.items():
        ET.SubElement(pan, "camera", name=name, pos=_text(forward_m), xyaxes=f"{right} 0 0 1", fovy=fovy)
