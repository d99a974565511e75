"""Kernels that take what was seen through as free.

Instead of walking along each ray, every cell in view is projected into the depth image, as TSDF integration does:
the evidence of all rays at a cost that grows with cells, not with rays times length. A cell with a Gaussian is
judged by where its mean projects, so a ray that grazes a corner of a cell takes nothing from the surface in it.
"""

# Warp reads annotations as its own types, so mypy and ruff can say nothing useful about kernel code.
# mypy: ignore-errors

from embodied_mem.layers.occupancy._candidates import (
    camera_axis,
    furthest_behind,
    inside_sides,
    is_out_of_view,
)
from embodied_mem.layers.occupancy._structures import (
    BRICK_CELLS,
    BRICK_SIDE,
    DEAD,
    HAS_GAUSSIAN,
    LEVEL_MASK,
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
    gaussian_slot,
    mean_in_cell,
    note_change,
    put_brick,
    quantise,
    quantise_mean,
    vec3u16,
    vec6i16,
)
from embodied_mem.layers.occupancy._warp import wp
from embodied_mem.layers.occupancy.changes import LOST, MISSED

EDGE_SIGMAS = 1.4
"""How far from its mean a Gaussian's rim is probed."""
SQRT_3 = 1.7320508
MIN_EDGE_VARIANCE = 1.0e-5
"""In squared cell sides: along an axis on which a Gaussian is thinner, it has no rim."""
CENTER_REACH = 1.5
"""In cells along each axis: how far the centres of an octant's cells lie from the octant's."""
GAUSSIAN_REACH = 2.85
"""The same for their Gaussians' rims: half an octant, and EDGE_SIGMAS of the widest that fits a cell."""
CELL_REACH = 0.51
"""Half a cell, and a little for rounding."""
CORNER = 0.48
"""Where in a cell, from its centre, it is probed besides: just inside its corners."""


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
def cut_open_edges(
    sight: Sight,
    pooled_m: wp.array2d(dtype=wp.float32),
    means: wp.array(dtype=vec3u16),
    covariances: wp.array(dtype=vec6i16),
    gaussian: int,
    cut: float,
    p: wp.vec3,
    step_x: wp.vec3,
    step_y: wp.vec3,
    step_z: wp.vec3,
) -> bool:
    """Cut off the sides of the Gaussian at whose rims it was seen through; whether there were any.

    Six points on its surface are probed, EDGE_SIGMAS from its mean (camera axes: `p`). Along each axis of the grid the
    point lies where the others are expected given that coordinate (S's column), which on a slanted surface is still on
    the surface. A surface that fills an axis evenly loses the share `cut` of its length on each open side: its mean moves
    by sqrt(3) * cut deviations, and its deviation shrinks by `cut`.
    """
    S = covariance_in_cell(covariances[gaussian], 0.0)
    shift = wp.vec3()
    is_open = bool(False)
    for axis in range(3):
        if S[axis, axis] > MIN_EDGE_VARIANCE:
            k = EDGE_SIGMAS / wp.sqrt(S[axis, axis])
            rim = wp.vec3(k * S[0, axis], k * S[1, axis], k * S[2, axis])
            e = rim[0] * step_x + rim[1] * step_y + rim[2] * step_z
            lost = float(0.0)
            if is_seen_through(sight, pooled_m, p + e, 0.0):
                lost += cut
                shift -= (SQRT_3 / EDGE_SIGMAS * cut) * rim
                is_open = True
            if is_seen_through(sight, pooled_m, p - e, 0.0):
                lost += cut
                shift += (SQRT_3 / EDGE_SIGMAS * cut) * rim
                is_open = True
            S -= (lost * (2.0 - lost) / (EDGE_SIGMAS * EDGE_SIGMAS)) * wp.outer(rim, rim)
    if is_open:
        means[gaussian] = quantise_mean(mean_in_cell(means[gaussian]) + shift)
        covariances[gaussian] = vec6i16(
            quantise(S[0, 0]), quantise(S[0, 1]), quantise(S[0, 2]), quantise(S[1, 1]), quantise(S[1, 2]), quantise(S[2, 2])
        )  # fmt: skip
    return is_open


@wp.func
def may_be_before_surface(
    sight: Sight, tile_max_m: wp.array2d(dtype=wp.float32), p: wp.vec3, radius: float
) -> bool:
    """Whether anything measured in the tile around where `p` projects lies behind it."""
    if p[2] <= sight.near_m:
        return False
    f = 1.0 / p[2]
    column = wp.clamp(sight.fx * p[0] * f + sight.cx, 0.0, sight.last_column)
    row = wp.clamp(sight.fy * p[1] * f + sight.cy, 0.0, sight.last_row)
    return tile_max_m[int(row) >> sight.tile_shift, int(column) >> sight.tile_shift] > p[2] - radius


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


@wp.func
def carve_gaussian(
    sight: Sight,
    rules: Rules,
    pooled_m: wp.array2d(dtype=wp.float32),
    m: MapArrays,
    cell: int,
    state: int,
    is_hit: bool,
    cell_corner: wp.vec3,
    step_x: wp.vec3,
    step_y: wp.vec3,
    step_z: wp.vec3,
) -> int:
    """One miss for the cell's Gaussian when it was seen through: which one it was, or -1.

    One that stays but was seen through at a rim has been hit by parts that are not there (poses and edges waver): it is
    cut there, and its moments give way to what is seen now.
    """
    slot = gaussian_slot(m.gaussian_hash, m.gaussian_cell, cell)
    gaussian = m.gaussian_hash[slot] - 1
    mean = mean_in_cell(m.mean[gaussian])
    p = cell_corner + mean[0] * step_x + mean[1] * step_y + mean[2] * step_z
    is_missed = not is_hit and is_seen_through(sight, pooled_m, p, 0.0)
    if is_missed and not is_on_slope(sight, pooled_m, p):
        level = wp.max((state & LEVEL_MASK) - rules.miss_levels, 1)
        m.weight[gaussian] = wp.float16(float(m.weight[gaussian]) * rules.miss_weight_decay)
        if level <= rules.remove_level:
            lose_gaussian(m, slot, gaussian)
            m.cells[cell] = wp.uint8(level)
        else:
            m.cells[cell] = wp.uint8(level + HAS_GAUSSIAN)
        return gaussian
    if cut_open_edges(
        sight, pooled_m, m.mean, m.covariance, gaussian, rules.edge_cut, p, step_x, step_y, step_z
    ):
        m.weight[gaussian] = wp.float16(float(m.weight[gaussian]) * rules.edge_weight_decay)
    return -1


@wp.kernel
def carve(view: View, rules: Rules, scratch: Scratch, m: MapArrays):
    """One miss for every cell of a candidate brick that was seen through and not hit; bricks are made as needed.

    One thread owns one brick, so cells and their Gaussians are changed without races. A candidate for whose new brick
    there is no room is left as it was and counted as missing: carving again, after room was made, does only those.
    Octants of which nothing can have been seen through (all that was measured around them lies before them) are
    skipped.
    """
    candidate = wp.tid()
    if scratch.candidate_is_carved[candidate] != 0:
        return
    grid = scratch.candidate_grid[candidate]
    brick = scratch.candidate_brick[candidate]
    is_brick_hit = scratch.candidate_is_hit[candidate] != 0
    o = view.origin_brick
    if brick < 0 and is_brick_hit:
        brick = put_brick(m, o[0] + grid[0], o[1] + grid[1], o[2] + grid[2])
        if brick < 0:
            wp.atomic_add(scratch.counters, NUM_MISSING, 1)
            return
    sight = view.sight
    corner = wp.vec3(float(grid[0]), float(grid[1]), float(grid[2])) * (float(BRICK_SIDE) * rules.cell_m)
    corner_camera = wp.transpose(view.R_grid_camera) * (corner - view.t_grid_camera)
    step_x = camera_axis(view, 0) * rules.cell_m
    step_y = camera_axis(view, 1) * rules.cell_m
    step_z = camera_axis(view, 2) * rules.cell_m
    half = 0.5 * (step_x + step_y + step_z)
    reach = wp.abs(step_x) + wp.abs(step_y) + wp.abs(step_z)
    sides_x = inside_sides(sight, step_x)
    sides_y = inside_sides(sight, step_y)
    sides_z = inside_sides(sight, step_z)
    sides = wp.abs(sides_x) + wp.abs(sides_y) + wp.abs(sides_z)
    radius = 0.5 * rules.cell_m
    is_changed = is_brick_hit
    num_octants = int(8)
    for octant in range(num_octants):
        first_x = (octant >> 2) * 4
        first_y = ((octant >> 1) & 1) * 4
        first_z = (octant & 1) * 4
        octant_corner = (
            corner_camera + float(first_x) * step_x + float(first_y) * step_y + float(first_z) * step_z
        )
        center = octant_corner + 4.0 * half
        inside_octant = inside_sides(sight, center)
        if is_out_of_view(inside_octant, sides, GAUSSIAN_REACH):
            continue
        furthest = furthest_behind(sight, scratch.tile_max_m, center, GAUSSIAN_REACH * reach)
        may_open = furthest > center[2] - CENTER_REACH * reach[2] - radius
        may_miss = brick >= 0 and furthest > center[2] - GAUSSIAN_REACH * reach[2]
        if may_open or may_miss:
            for i in range(64):
                x = i >> 4
                y = (i >> 2) & 3
                z = i & 3
                local = ((first_x + x) * BRICK_SIDE + first_y + y) * BRICK_SIDE + first_z + z
                state = int(0)
                if brick >= 0:
                    state = int(m.cells[brick * BRICK_CELLS + local])
                # A cell as free as can be stays so; one of them is enough to know that the brick was seen.
                if state == 1 and is_changed:
                    continue
                if state < HAS_GAUSSIAN:
                    if not may_open:
                        continue
                    inside = (
                        inside_octant
                        + (float(x) - 1.5) * sides_x
                        + (float(y) - 1.5) * sides_y
                        + (float(z) - 1.5) * sides_z
                    )
                    if is_out_of_view(inside, sides, CELL_REACH):
                        continue
                is_hit = is_brick_hit and scratch.slot_of_cell[candidate * BRICK_CELLS + local] >= 0
                if is_hit and state < HAS_GAUSSIAN:
                    continue
                cell_corner = octant_corner + float(x) * step_x + float(y) * step_y + float(z) * step_z
                if state >= HAS_GAUSSIAN:
                    cell = brick * BRICK_CELLS + local
                    gaussian = carve_gaussian(
                        sight, rules, scratch.pooled_m, m, cell, state, is_hit, cell_corner, step_x, step_y, step_z
                    )  # fmt: skip
                    if gaussian >= 0:
                        is_changed = True
                        kind = int(-1)
                        if m.gaussian_cell[gaussian] == DEAD:
                            kind = LOST
                        elif (state & LEVEL_MASK) >= rules.stable_level:
                            kind = MISSED
                        if kind >= 0:
                            at = (o + grid) * BRICK_SIDE + wp.vec3i(first_x + x, first_y + y, first_z + z)
                            label = int(m.labels[gaussian][0])
                            note_change(scratch, at, kind, m.last_seen_tick[gaussian], label)
                elif free_cell_is_seen(
                    sight, scratch.pooled_m, scratch.tile_max_m, state, cell_corner + half, radius,
                    step_x, step_y, step_z,
                ):  # fmt: skip
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
