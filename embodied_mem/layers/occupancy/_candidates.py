"""Kernels that pool a frame's depth and find the bricks in view."""

# Warp reads annotations as its own types, so mypy and ruff can say nothing useful about kernel code.
# mypy: ignore-errors

from embodied_mem.layers.occupancy._structures import (
    BRICK_SIDE,
    NUM_CANDIDATES,
    MapArrays,
    Rules,
    Scratch,
    Sight,
    View,
    find_brick,
)
from embodied_mem.layers.occupancy._warp import wp

TILE_PX, MIN_TILE_SHIFT = 32, 3
"""Sides of a tile of `tile_max_m`: in pixels of the image, but at least 2**3 used ones."""
CARVE_SIGMAS = 3.0
"""Sigmas of depth noise that a place must lie before the measured depth to be seen through."""
BRICK_REACH = 4.85
"""In cells along each axis, from a brick's centre: half a brick, and as far as Gaussians' rims reach beyond it."""


@wp.func
def nearest_around(
    depth_m: wp.array2d(dtype=wp.float32),
    v: int,
    u: int,
    nearest_m: float,
    min_depth_m: float,
    window_px: int,
) -> float:
    """The nearest depth at the pixel (where it is `nearest_m`) and `window_px` around it."""
    nearest = nearest_m
    for i in range(9):
        w = v + (i / 3 - 1) * window_px
        x = u + (i % 3 - 1) * window_px
        if w >= 0 and w < depth_m.shape[0] and x >= 0 and x < depth_m.shape[1]:
            d = depth_m[w, x]
            if d >= min_depth_m and d < nearest:
                nearest = d
    return nearest


@wp.kernel
def pool_depth(
    view: View,
    rules: Rules,
    depth_m: wp.array2d(dtype=wp.float32),
    sigma_m: wp.array2d(dtype=wp.float32),
    window_px: int,
    pooled_m: wp.array2d(dtype=wp.float32),
    tile_max_m: wp.array2d(dtype=wp.float32),
):
    """The nearest depth measured around each used pixel of a tile; 0 where there is none, or it is out of range itself.
    Where the frame says how uncertain depths are, the nearest that the pixel's may be.
    Of the tile, the furthest depth in range, not thinned by windows: bricks beyond it cannot be in view.
    """
    tile_row, tile_column = wp.tid()
    tile = 1 << view.sight.tile_shift
    furthest = float(0.0)
    last_column = wp.min((tile_column + 1) * tile, pooled_m.shape[1])
    for row in range(tile_row * tile, wp.min((tile_row + 1) * tile, pooled_m.shape[0])):
        v = view.offset + row * view.stride
        for column in range(tile_column * tile, last_column):
            u = view.offset + column * view.stride
            # Beyond the range the surface is not fused, but the space up to the range was seen through.
            measured = wp.min(depth_m[v, u], rules.max_depth_m)
            if measured < rules.min_depth_m:
                measured = float(0.0)
            furthest = wp.max(furthest, measured)
            if window_px > 0 and measured > 0.0:
                measured = nearest_around(depth_m, v, u, measured, rules.min_depth_m, window_px)
            if view.has_sigma != 0 and measured > 0.0:
                measured = wp.max(wp.min(measured, depth_m[v, u] - CARVE_SIGMAS * sigma_m[v, u]), 0.0)
            pooled_m[row, column] = measured
    tile_max_m[tile_row, tile_column] = furthest


@wp.func
def inside_sides(sight: Sight, p: wp.vec3) -> wp.vec4:
    """How far inside the image's four sides `p` (camera axes) projects, in used pixels times its depth: a linear
    function of `p`, so of a box it is that of its centre, more or less half of the sum over its edges.
    """
    return wp.vec4(
        sight.fx * p[0] + (sight.cx + 0.5) * p[2],
        (sight.last_column + 0.5 - sight.cx) * p[2] - sight.fx * p[0],
        sight.fy * p[1] + (sight.cy + 0.5) * p[2],
        (sight.last_row + 0.5 - sight.cy) * p[2] - sight.fy * p[1],
    )


@wp.func
def is_out_of_view(inside: wp.vec4, reach: wp.vec4, num_cells: float) -> bool:
    """Whether a cube is wholly out of the image, from `inside_sides` of its centre and the sum of its sizes over the
    edges of a cell; the cube's half sides are `num_cells`.
    """
    return wp.min(inside + num_cells * reach) < 0.0


@wp.func
def furthest_behind(
    sight: Sight, tile_max_m: wp.array2d(dtype=wp.float32), p: wp.vec3, half: wp.vec3
) -> float:
    """The furthest depth of the tiles that a box at `p` with these half sides (camera axes) projects into, and of those
    one used pixel around it; infinity when it reaches the camera.
    """
    near = p[2] - half[2]
    if near <= sight.near_m:
        return wp.inf
    inv_near = 1.0 / near
    inv_far = 1.0 / (p[2] + half[2])
    left = p[0] - half[0]
    right = p[0] + half[0]
    above = p[1] - half[1]
    below = p[1] + half[1]
    first_column = sight.fx * wp.min(left * inv_near, left * inv_far) + sight.cx - 1.0
    last_column = sight.fx * wp.max(right * inv_near, right * inv_far) + sight.cx + 1.0
    first_row = sight.fy * wp.min(above * inv_near, above * inv_far) + sight.cy - 1.0
    last_row = sight.fy * wp.max(below * inv_near, below * inv_far) + sight.cy + 1.0
    begin_column = int(wp.clamp(first_column, 0.0, sight.last_column)) >> sight.tile_shift
    end_column = (int(wp.clamp(last_column, 0.0, sight.last_column)) >> sight.tile_shift) + 1
    begin_row = int(wp.clamp(first_row, 0.0, sight.last_row)) >> sight.tile_shift
    end_row = (int(wp.clamp(last_row, 0.0, sight.last_row)) >> sight.tile_shift) + 1
    furthest = float(0.0)
    for row in range(begin_row, end_row):
        for column in range(begin_column, end_column):
            furthest = wp.max(furthest, tile_max_m[row, column])
    return furthest


@wp.func
def camera_axis(view: View, axis: int) -> wp.vec3:
    """The grid's axis in the camera's."""
    R = view.R_grid_camera
    return wp.vec3(R[axis, 0], R[axis, 1], R[axis, 2])


@wp.kernel
def find_candidates(view: View, rules: Rules, scratch: Scratch, m: MapArrays):
    """Number the bricks of the block that are in view, and look up those that the map has."""
    x, y, z = wp.tid()
    index = (x * view.grid_size[1] + y) * view.grid_size[2] + z
    scratch.candidate_of[index] = -1
    sight = view.sight
    side_m = float(BRICK_SIDE) * rules.cell_m
    center = wp.vec3(float(x) + 0.5, float(y) + 0.5, float(z) + 0.5) * side_m
    p = wp.transpose(view.R_grid_camera) * (center - view.t_grid_camera)
    step_x = camera_axis(view, 0) * rules.cell_m
    step_y = camera_axis(view, 1) * rules.cell_m
    step_z = camera_axis(view, 2) * rules.cell_m
    sides = (
        wp.abs(inside_sides(sight, step_x))
        + wp.abs(inside_sides(sight, step_y))
        + wp.abs(inside_sides(sight, step_z))
    )
    if is_out_of_view(inside_sides(sight, p), sides, BRICK_REACH):
        return
    half = BRICK_REACH * (wp.abs(step_x) + wp.abs(step_y) + wp.abs(step_z))
    furthest = furthest_behind(sight, scratch.tile_max_m, p, half)
    if furthest < p[2] - half[2] or furthest == 0.0:
        return
    candidate = wp.atomic_add(scratch.counters, NUM_CANDIDATES, 1)
    scratch.candidate_of[index] = candidate
    scratch.candidate_grid[candidate] = wp.vec3i(x, y, z)
    scratch.candidate_is_hit[candidate] = 0
    scratch.candidate_is_carved[candidate] = 0
    o = view.origin_brick
    scratch.candidate_brick[candidate] = find_brick(m.brick_hash, m.brick_coord, o[0] + x, o[1] + y, o[2] + z)


@wp.kernel
def look_up_candidates(view: View, scratch: Scratch, m: MapArrays):
    """Find the candidates' bricks anew, after bricks were renumbered."""
    candidate = wp.tid()
    grid = scratch.candidate_grid[candidate]
    o = view.origin_brick
    scratch.candidate_brick[candidate] = find_brick(
        m.brick_hash, m.brick_coord, o[0] + grid[0], o[1] + grid[1], o[2] + grid[2]
    )
