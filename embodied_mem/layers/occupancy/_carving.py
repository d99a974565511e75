"""Kernels that find the bricks in view and take what was seen through as free.

Instead of walking along each ray, every cell in view is projected into the depth image, as TSDF integration does:
the evidence of all rays at a cost that grows with cells, not with rays times length. A cell with a Gaussian is
judged by where its mean projects, so a ray that grazes a corner of a cell takes nothing from the surface in it.
"""

# Warp reads annotations as its own types, so mypy and ruff can say nothing useful about kernel code.
# mypy: ignore-errors

from embodied_mem.layers.occupancy._structures import (
    BRICK_CELLS,
    BRICK_SIDE,
    DEAD,
    HAS_GAUSSIAN,
    LEVEL_MASK,
    NUM_CANDIDATES,
    NUM_LIVE,
    NUM_MISSING,
    NUM_REMOVED,
    TOMBSTONE,
    MapArrays,
    Rules,
    Scratch,
    Sight,
    View,
    covariance_in_cell,
    find_brick,
    gaussian_slot,
    mean_in_cell,
    put_brick,
)
from embodied_mem.layers.occupancy._warp import wp

TILE = 8
"""Used pixels per side of a tile of `tile_max_m`."""
BRICK_RADIUS_CELLS = 6.93
"""Half a brick's diagonal (4 * sqrt(3)), rounded up."""
EDGE_SIGMAS = 1.2
"""How far from its mean a Gaussian's rim is probed."""
MIN_EDGE_VARIANCE = 1.0e-5
"""In squared cell sides: along an axis on which a Gaussian is thinner, it has no rim."""
CORNER = 0.48
"""Where in a cell, from its centre, it is probed besides: just inside its corners."""


@wp.kernel
def pool_depth(
    view: View, rules: Rules, scratch: Scratch, depth_m: wp.array2d(dtype=wp.float32), window_px: int
):
    """The nearest depth measured around each used pixel; 0 where there is none, or it is out of range itself."""
    row, column = wp.tid()
    v = view.offset + row * view.stride
    u = view.offset + column * view.stride
    nearest = depth_m[v, u]
    if nearest < rules.min_depth_m:
        nearest = 0.0
    if nearest > 0.0 and window_px > 0:
        for i in range(9):
            w = v + (i / 3 - 1) * window_px
            x = u + (i % 3 - 1) * window_px
            if w >= 0 and w < view.height and x >= 0 and x < view.width:
                d = depth_m[w, x]
                if d >= rules.min_depth_m and d < nearest:
                    nearest = d
    # Beyond the range the surface is not fused, but the space up to the range was seen through.
    nearest = wp.min(nearest, rules.max_depth_m)
    scratch.pooled_m[row, column] = nearest


@wp.kernel
def pool_tiles(view: View, rules: Rules, scratch: Scratch, depth_m: wp.array2d(dtype=wp.float32)):
    """The furthest depth in range of each tile, not thinned by windows: bricks beyond it cannot be in view."""
    tile_row, tile_column = wp.tid()
    furthest = float(0.0)
    for i in range(TILE):
        row = tile_row * TILE + i
        if row < view.rows:
            for j in range(TILE):
                column = tile_column * TILE + j
                if column < view.columns:
                    d = depth_m[view.offset + row * view.stride, view.offset + column * view.stride]
                    if d >= rules.min_depth_m:
                        furthest = wp.max(furthest, wp.min(d, rules.max_depth_m))
    scratch.tile_max_m[tile_row, tile_column] = furthest


@wp.func
def sees_sphere(view: View, scratch: Scratch, p: wp.vec3, radius: float) -> bool:
    """Whether a sphere at `p` (camera axes) is in the image and not wholly behind what was measured there."""
    near = p[2] - radius
    far = p[2] + radius
    if far <= 0.0:
        return False
    tile_px = float(TILE * view.stride)
    tile_columns = scratch.tile_max_m.shape[1]
    tile_rows = scratch.tile_max_m.shape[0]
    first_column = int(0)
    last_column = tile_columns - 1
    first_row = int(0)
    last_row = tile_rows - 1
    if near > radius:
        u_min = view.fx * wp.min((p[0] - radius) / near, (p[0] - radius) / far) + view.cx
        u_max = view.fx * wp.max((p[0] + radius) / near, (p[0] + radius) / far) + view.cx
        v_min = view.fy * wp.min((p[1] - radius) / near, (p[1] - radius) / far) + view.cy
        v_max = view.fy * wp.max((p[1] + radius) / near, (p[1] + radius) / far) + view.cy
        if u_max < 0.0 or v_max < 0.0 or u_min > float(view.width) or v_min > float(view.height):
            return False
        first_column = wp.clamp(int((u_min - float(view.offset)) / tile_px) - 1, 0, tile_columns - 1)
        last_column = wp.clamp(int((u_max - float(view.offset)) / tile_px) + 1, 0, tile_columns - 1)
        first_row = wp.clamp(int((v_min - float(view.offset)) / tile_px) - 1, 0, tile_rows - 1)
        last_row = wp.clamp(int((v_max - float(view.offset)) / tile_px) + 1, 0, tile_rows - 1)
    found = bool(False)
    for row in range(first_row, last_row + 1):
        for column in range(first_column, last_column + 1):
            d = scratch.tile_max_m[row, column]
            if d > 0.0 and d >= near:
                found = True
    return found


@wp.kernel
def find_candidates(view: View, rules: Rules, scratch: Scratch, m: MapArrays):
    """Number the bricks of the block that are in view, and look up those that the map has."""
    x, y, z = wp.tid()
    index = (x * view.grid_size[1] + y) * view.grid_size[2] + z
    scratch.candidate_of[index] = -1
    side_m = float(BRICK_SIDE) * rules.cell_m
    center = wp.vec3(float(x) + 0.5, float(y) + 0.5, float(z) + 0.5) * side_m
    p = wp.transpose(view.R_grid_camera) * (center - view.t_grid_camera)
    if not sees_sphere(view, scratch, p, BRICK_RADIUS_CELLS * rules.cell_m):
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


@wp.func
def is_seen_through(sight: Sight, pooled_m: wp.array2d(dtype=wp.float32), p: wp.vec3, radius: float) -> bool:
    """Whether everything measured around where `p` (camera axes) projects lies clearly behind it.

    At the image's border, what is out of view by no more than `radius` is judged by the nearest pixel: a cell counts
    as seen through when a good part of it is.
    """
    z = p[2]
    if z <= sight.near_m:
        return False
    f = 1.0 / z
    column = sight.fx * p[0] * f + sight.cx
    row = sight.fy * p[1] * f + sight.cy
    slack = 0.5 + radius * sight.fx * f
    if column < -slack or column > sight.last_column + slack:
        return False
    if row < -slack or row > sight.last_row + slack:
        return False
    j = int(wp.clamp(column, 0.0, sight.last_column) + 0.5)
    i = int(wp.clamp(row, 0.0, sight.last_row) + 0.5)
    return z + sight.margin_m + sight.margin_per_m2 * z * z < pooled_m[i, j]


@wp.func
def is_on_slope(sight: Sight, pooled_m: wp.array2d(dtype=wp.float32), p: wp.vec3) -> bool:
    """Whether `p` (camera axes, projecting into the image) lies no clearly nearer than a surface drawn evenly between
    the pixels around it.

    On a surface seen at a grazing angle depth grows so fast from pixel to pixel that the nearest one may lie clearly
    behind a point of the same surface. Inverse depth is linear in the image on a plane, so it is what is
    interpolated.
    """
    f = 1.0 / p[2]
    column = wp.clamp(sight.fx * p[0] * f + sight.cx, 0.0, sight.last_column)
    row = wp.clamp(sight.fy * p[1] * f + sight.cy, 0.0, sight.last_row)
    j = int(wp.min(wp.floor(column), sight.last_column - 1.0))
    i = int(wp.min(wp.floor(row), sight.last_row - 1.0))
    if i < 0 or j < 0:
        return False
    a = column - float(j)
    b = row - float(i)
    inverse = float(0.0)
    for corner in range(4):
        dj = corner & 1
        di = corner >> 1
        depth = pooled_m[i + di, j + dj]
        if depth <= 0.0:
            return False
        inverse += wp.where(dj == 1, a, 1.0 - a) * wp.where(di == 1, b, 1.0 - b) / depth
    return (p[2] + sight.margin_m + sight.margin_per_m2 * p[2] * p[2]) * inverse >= 1.0


@wp.func
def has_open_edge(
    sight: Sight,
    pooled_m: wp.array2d(dtype=wp.float32),
    S: wp.mat33,
    mean: wp.vec3,
    step_x: wp.vec3,
    step_y: wp.vec3,
    step_z: wp.vec3,
) -> bool:
    """Whether one of the Gaussian's rims was seen through: six points on its surface, EDGE_SIGMAS from its mean.

    Along each axis of the grid the point lies where the others are expected given that coordinate (S's column), which
    on a slanted surface is still on the surface.
    """
    for axis in range(3):
        if S[axis, axis] > MIN_EDGE_VARIANCE:
            k = EDGE_SIGMAS / wp.sqrt(S[axis, axis])
            e = k * (S[0, axis] * step_x + S[1, axis] * step_y + S[2, axis] * step_z)
            if is_seen_through(sight, pooled_m, mean + e, 0.0):
                return True
            if is_seen_through(sight, pooled_m, mean - e, 0.0):
                return True
    return False


@wp.func
def may_be_before_surface(
    sight: Sight, tile_max_m: wp.array2d(dtype=wp.float32), p: wp.vec3, radius: float
) -> bool:
    """Whether anything measured in the tile around where `p` projects lies behind it."""
    if p[2] <= sight.near_m:
        return False
    f = 1.0 / (p[2] * float(TILE))
    column = wp.clamp(sight.fx * p[0] * f + sight.cx / float(TILE), 0.0, sight.last_column / float(TILE))
    row = wp.clamp(sight.fy * p[1] * f + sight.cy / float(TILE), 0.0, sight.last_row / float(TILE))
    return tile_max_m[int(row), int(column)] > p[2] - radius


@wp.func
def is_partly_seen_through(
    sight: Sight,
    pooled_m: wp.array2d(dtype=wp.float32),
    center: wp.vec3,
    step_x: wp.vec3,
    step_y: wp.vec3,
    step_z: wp.vec3,
) -> bool:
    """Whether one of four of the cell's corners was seen through, though its centre was not."""
    for i in range(4):
        x = float(i & 1) * 2.0 - 1.0
        y = float(i >> 1) * 2.0 - 1.0
        corner = CORNER * (x * step_x + y * step_y + x * y * step_z)
        if is_seen_through(sight, pooled_m, center + corner, 0.0):
            return True
    return False


@wp.func
def free_cell_is_seen(
    sight: Sight,
    pooled_m: wp.array2d(dtype=wp.float32),
    tile_max_m: wp.array2d(dtype=wp.float32),
    state: int,
    center: wp.vec3,
    radius: float,
    step_x: wp.vec3,
    step_y: wp.vec3,
    step_z: wp.vec3,
) -> bool:
    """Whether a cell without a Gaussian was seen through: at its centre, or if nothing is known yet, anywhere."""
    if state != 0:
        return is_seen_through(sight, pooled_m, center, radius)
    if not may_be_before_surface(sight, tile_max_m, center, radius):
        return False
    if is_seen_through(sight, pooled_m, center, radius):
        return True
    return is_partly_seen_through(sight, pooled_m, center, step_x, step_y, step_z)


@wp.func
def lose_gaussian(m: MapArrays, slot: int, gaussian: int):
    m.gaussian_hash[slot] = TOMBSTONE
    m.gaussian_cell[gaussian] = DEAD
    wp.atomic_sub(m.counters, NUM_LIVE, 1)
    wp.atomic_add(m.counters, NUM_REMOVED, 1)


@wp.kernel
def carve(view: View, rules: Rules, scratch: Scratch, m: MapArrays):
    """One miss for every cell of a candidate brick that was seen through and not hit; bricks are made as needed.

    A Gaussian that stays but was seen through at a rim has been hit by parts that are not there (poses and edges
    waver): its moments give way to what is seen now. One thread owns one brick, so cells and their Gaussians are
    changed without races. A candidate for whose new brick there is no room is left as it was and counted as missing:
    carving again, after room was made, does only those.
    """
    candidate = wp.tid()
    if scratch.candidate_is_carved[candidate] != 0:
        return
    grid = scratch.candidate_grid[candidate]
    brick = scratch.candidate_brick[candidate]
    o = view.origin_brick
    if brick < 0 and scratch.candidate_is_hit[candidate] != 0:
        brick = put_brick(m, o[0] + grid[0], o[1] + grid[1], o[2] + grid[2])
        if brick < 0:
            wp.atomic_add(scratch.counters, NUM_MISSING, 1)
            return
    sight = view.sight
    R = wp.transpose(view.R_grid_camera)
    corner = wp.vec3(float(grid[0]), float(grid[1]), float(grid[2])) * (float(BRICK_SIDE) * rules.cell_m)
    corner_camera = R * (corner - view.t_grid_camera)
    step_x = wp.vec3(R[0, 0], R[1, 0], R[2, 0]) * rules.cell_m
    step_y = wp.vec3(R[0, 1], R[1, 1], R[2, 1]) * rules.cell_m
    step_z = wp.vec3(R[0, 2], R[1, 2], R[2, 2]) * rules.cell_m
    half = 0.5 * (step_x + step_y + step_z)
    radius = 0.5 * rules.cell_m
    is_changed = bool(scratch.candidate_is_hit[candidate] != 0)
    for local in range(BRICK_CELLS):
        x = local / 64
        y = (local / 8) % 8
        z = local % 8
        cell_corner = corner_camera + float(x) * step_x + float(y) * step_y + float(z) * step_z
        state = int(0)
        if brick >= 0:
            state = int(m.cells[brick * BRICK_CELLS + local])
        is_hit = scratch.slot_of_cell[candidate * BRICK_CELLS + local] >= 0
        if state >= HAS_GAUSSIAN:
            cell = brick * BRICK_CELLS + local
            slot = gaussian_slot(m.gaussian_hash, m.gaussian_cell, cell)
            gaussian = m.gaussian_hash[slot] - 1
            mean = mean_in_cell(m.mean[gaussian])
            p = cell_corner + mean[0] * step_x + mean[1] * step_y + mean[2] * step_z
            is_missed = not is_hit and is_seen_through(sight, scratch.pooled_m, p, 0.0)
            if is_missed and not is_on_slope(sight, scratch.pooled_m, p):
                level = wp.max((state & LEVEL_MASK) - rules.miss_levels, 1)
                m.weight[gaussian] = wp.float16(float(m.weight[gaussian]) * rules.miss_weight_decay)
                if level <= rules.remove_level:
                    lose_gaussian(m, slot, gaussian)
                    m.cells[cell] = wp.uint8(level)
                else:
                    m.cells[cell] = wp.uint8(level + HAS_GAUSSIAN)
                is_changed = True
            else:
                S = covariance_in_cell(m.covariance[gaussian], 0.0)
                if has_open_edge(sight, scratch.pooled_m, S, p, step_x, step_y, step_z):
                    m.weight[gaussian] = wp.float16(float(m.weight[gaussian]) * rules.edge_weight_decay)
        # A cell as free as can be stays so; one of them is enough to know that the brick was seen.
        elif not is_hit and (state != 1 or not is_changed):
            center = cell_corner + half
            if free_cell_is_seen(
                sight, scratch.pooled_m, scratch.tile_max_m, state, center, radius, step_x, step_y, step_z
            ):
                if brick < 0:
                    brick = put_brick(m, o[0] + grid[0], o[1] + grid[1], o[2] + grid[2])
                    if brick < 0:
                        wp.atomic_add(scratch.counters, NUM_MISSING, 1)
                        return
                level = state
                if state == 0:
                    level = rules.unknown_level
                m.cells[brick * BRICK_CELLS + local] = wp.uint8(wp.max(level - rules.miss_levels, 1))
                is_changed = True
    scratch.candidate_brick[candidate] = brick
    scratch.candidate_is_carved[candidate] = 1
    if is_changed:
        m.brick_seen_tick[brick] = wp.max(m.brick_seen_tick[brick], view.tick)
