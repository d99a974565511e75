"""The map's floor plan as a message that planners know."""

from __future__ import annotations

import array
from typing import Any, Protocol

import numpy as np
from geometry_msgs.msg import Point, Pose
from nav_msgs.msg import MapMetaData, OccupancyGrid

from embodied_mem.ros.conversions.basics import header


class FloorPlan(Protocol):
    """What is read of a floor grid: rows along y, -1 unknown, 0 free, 100 occupied."""

    @property
    def corner_world_xy(self) -> Any: ...
    @property
    def cell_m(self) -> float: ...
    @property
    def cells(self) -> Any: ...


def occupancy_grid(plan: FloorPlan, stamp_ns: int, frame_id: str) -> OccupancyGrid:
    """`OccupancyLayer.floor_grid(...)` as nav_msgs/OccupancyGrid; its z is 0, whatever slab of heights it is of."""
    head = header(stamp_ns, frame_id)
    height, width = plan.cells.shape
    x, y = (float(side) for side in plan.corner_world_xy)
    info = MapMetaData(map_load_time=head.stamp, resolution=float(plan.cell_m), width=width, height=height)
    info.origin = Pose(position=Point(x=x, y=y, z=0.0))
    data = array.array("b", np.ascontiguousarray(plan.cells, dtype=np.int8).tobytes())
    return OccupancyGrid(header=head, info=info, data=data)
