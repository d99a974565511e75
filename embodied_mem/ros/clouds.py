"""What the memory holds as messages that viewers know: a coloured cloud, boxes with names."""

from __future__ import annotations

import array
from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField
from visualization_msgs.msg import Marker, MarkerArray

from embodied_mem.messages import Entity
from embodied_mem.ros.conversions.basics import header, point

TEXT_HEIGHT_M = 0.12
_OFFSETS = {"x": 0, "y": 4, "z": 8, "rgb": 12, "occupancy": 16}
_POINT = np.dtype(
    {
        "names": list(_OFFSETS),
        "formats": ["<f4", "<f4", "<f4", "<u4", "<f4"],
        "offsets": list(_OFFSETS.values()),
        "itemsize": 20,
    }
)


class MapArrays(Protocol):
    """What is read of a map snapshot."""

    @property
    def means_world(self) -> Any: ...
    @property
    def occupancy(self) -> Any: ...
    @property
    def color_rgb(self) -> Any: ...


def occupied_cloud(snapshot: MapArrays, min_occupancy: float, stamp_ns: int, frame_id: str) -> PointCloud2:
    """The centres of occupied Gaussians with fields x, y, z, rgb (as RViz packs it) and occupancy."""
    is_occupied = np.asarray(snapshot.occupancy) >= min_occupancy
    points = np.zeros(int(is_occupied.sum()), dtype=_POINT)
    means = np.asarray(snapshot.means_world)[is_occupied]
    points["x"], points["y"], points["z"] = means.T
    red, green, blue = np.asarray(snapshot.color_rgb)[is_occupied].astype(np.uint32).T
    points["rgb"] = (red << 16) | (green << 8) | blue
    points["occupancy"] = np.asarray(snapshot.occupancy)[is_occupied]
    message = PointCloud2(
        header=header(stamp_ns, frame_id),
        height=1,
        width=len(points),
        fields=[
            PointField(name=name, offset=offset, datatype=PointField.FLOAT32, count=1)
            for name, offset in _OFFSETS.items()
        ],
        point_step=_POINT.itemsize,
        row_step=_POINT.itemsize * len(points),
        is_dense=True,
    )
    data = array.array("B")
    data.frombytes(points.tobytes())
    message.data = data
    return message


def entity_markers(entities: Iterable[Entity], stamp_ns: int, frame_id: str) -> MarkerArray:
    """A box and a name for each entity that is present; everything drawn before is deleted first."""
    markers = [Marker(action=Marker.DELETEALL, header=header(stamp_ns, frame_id))]
    for number, entity in enumerate(entity for entity in entities if entity.is_present):
        markers += [
            _box_marker(entity, number, stamp_ns, frame_id),
            _name_marker(entity, number, stamp_ns, frame_id),
        ]
    return MarkerArray(markers=markers)


def _box_marker(entity: Entity, number: int, stamp_ns: int, frame_id: str) -> Marker:
    marker = Marker(
        header=header(stamp_ns, frame_id), ns="boxes", id=number, type=Marker.CUBE, action=Marker.ADD
    )
    box = entity.placement.box
    marker.pose.position = point(box.center)
    marker.pose.orientation.w = 1.0
    marker.scale.x, marker.scale.y, marker.scale.z = (max(0.01, float(side)) for side in box.size)
    hue = sum(entity.label.encode()) % 360
    marker.color.r, marker.color.g, marker.color.b = _rgb_of_hue(hue)
    marker.color.a = 0.25 + 0.5 * entity.presence
    return marker


def _name_marker(entity: Entity, number: int, stamp_ns: int, frame_id: str) -> Marker:
    marker = Marker(
        header=header(stamp_ns, frame_id),
        ns="names",
        id=number,
        type=Marker.TEXT_VIEW_FACING,
        action=Marker.ADD,
    )
    top = entity.placement.box.center + np.array([0.0, 0.0, entity.placement.box.size[2] / 2 + TEXT_HEIGHT_M])
    marker.pose.position = point(top)
    marker.pose.orientation.w = 1.0
    marker.scale.z = TEXT_HEIGHT_M
    marker.color.r = marker.color.g = marker.color.b = marker.color.a = 1.0
    marker.text = f"{entity.label} {entity.entity_id}"
    return marker


def _rgb_of_hue(hue_deg: float) -> tuple[float, float, float]:
    shifted = (hue_deg / 60.0 + np.array([0.0, 4.0, 2.0])) % 6.0
    red, green, blue = np.clip(np.abs(shifted - 3.0) - 1.0, 0.0, 1.0)
    return float(red), float(green), float(blue)
