"""Writes primitive solids into a model's MJCF. They touch nothing: the table's world is placed, not simulated."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from .props import Colour, Solid


def add_geom(body: ET.Element, name: str, solid: Solid, colour: Colour) -> None:
    half = [size / 2 for size in solid.size_m]
    ET.SubElement(
        body, "geom", name=name, type=solid.shape, size=as_text(half), pos=as_text(solid.offset_m),
        rgba=as_text((*colour, 1.0)), contype="0", conaffinity="0",
    )  # fmt: skip


def as_text(numbers: Sequence[float]) -> str:
    return " ".join(f"{n:.6g}" for n in numbers)
