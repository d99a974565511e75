"""The floor plan arrives as planners expect it."""

import numpy as np
import pytest

pytestmark = pytest.mark.ros


def test_a_plan_keeps_its_cells_place_and_time():
    from embodied_mem.layers.occupancy import FloorGrid
    from embodied_mem.ros.plans import occupancy_grid

    cells = np.array([[0, 100, -1], [0, 0, 100]], dtype=np.int8)
    plan = FloorGrid(corner_world_xy=np.array([-1.5, 2.25]), cell_m=0.05, cells=cells)
    message = occupancy_grid(plan, 3_000_000_007, "map")
    assert (message.info.width, message.info.height) == (3, 2)
    assert message.info.resolution == pytest.approx(0.05)
    assert (message.info.origin.position.x, message.info.origin.position.y) == (-1.5, 2.25)
    assert message.info.origin.orientation.w == 1.0
    assert list(message.data) == [0, 100, -1, 0, 0, 100]
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (3, 7)
    assert message.header.frame_id == "map"
