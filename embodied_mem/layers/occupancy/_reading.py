"""Kernels that answer where something is: states of points, and what rays hit."""

# Warp reads annotations as its own types, so mypy and ruff can say nothing useful about kernel code.
# mypy: ignore-errors

from embodied_mem.layers.occupancy._structures import (
    BRICK_CELLS,
    HAS_GAUSSIAN,
    LEVEL_MASK,
    NO_LABEL,
    MapArrays,
    Rules,
    covariance_in_cell,
    excess,
    find_brick,
    find_gaussian,
    hash_gaussian,
    local_of,
    mean_in_cell,
    probability_of,
    put_brick,
    vec16u8,
)
from embodied_mem.layers.occupancy._warp import wp


@wp.func
def cell_state(m: MapArrays, x: int, y: int, z: int) -> int:
    """The byte of the cell; 0 (unknown) where there is no brick."""
    brick = find_brick(m.brick_hash, m.brick_coord, x >> 3, y >> 3, z >> 3)
    if brick < 0:
        return 0
    return int(m.cells[brick * BRICK_CELLS + local_of(x & 7, y & 7, z & 7)])


@wp.kernel
def read_cells(m: MapArrays, cells: wp.array(dtype=wp.vec3i), found: wp.array2d(dtype=wp.int32)):
    """The byte of each cell, and the label of its Gaussian."""
    i = wp.tid()
    at = cells[i]
    brick = find_brick(m.brick_hash, m.brick_coord, at[0] >> 3, at[1] >> 3, at[2] >> 3)
    state = int(0)
    label = int(NO_LABEL)
    if brick >= 0:
        cell = brick * BRICK_CELLS + local_of(at[0] & 7, at[1] & 7, at[2] & 7)
        state = int(m.cells[cell])
        if state >= HAS_GAUSSIAN:
            label = int(m.labels[find_gaussian(m.gaussian_hash, m.gaussian_cell, cell)][0])
    found[i, 0] = state
    found[i, 1] = label


@wp.kernel
def paint(
    m: MapArrays,
    scale: wp.float64,
    points: wp.array(dtype=wp.vec3d),
    owner: wp.array(dtype=wp.int32),
    codes: wp.array(dtype=vec16u8),
):
    """Give each point's code (that of its owner) to the Gaussian of the cell that it lies in."""
    i = wp.tid()
    p = points[i] * scale
    x = int(wp.floor(p[0]))
    y = int(wp.floor(p[1]))
    z = int(wp.floor(p[2]))
    brick = find_brick(m.brick_hash, m.brick_coord, x >> 3, y >> 3, z >> 3)
    if brick < 0:
        return
    cell = brick * BRICK_CELLS + local_of(x & 7, y & 7, z & 7)
    if int(m.cells[cell]) >= HAS_GAUSSIAN:
        m.code[find_gaussian(m.gaussian_hash, m.gaussian_cell, cell)] = codes[owner[i]]


@wp.kernel
def read_points(
    m: MapArrays, rules: Rules, points: wp.array(dtype=wp.vec3), probability: wp.array(dtype=wp.float32)
):
    """The probability that each point is occupied, NaN where unknown.

    In a cell with a Gaussian, a point further from it than the gate lies beside the surface. Which side was seen
    is told by the next cell away from the surface: if that one is unknown, so is the point.
    """
    i = wp.tid()
    p = points[i]
    scale = wp.float64(1.0) / wp.float64(rules.cell_m)
    px = wp.float64(p[0]) * scale
    py = wp.float64(p[1]) * scale
    pz = wp.float64(p[2]) * scale
    x = int(wp.floor(px))
    y = int(wp.floor(py))
    z = int(wp.floor(pz))
    brick = find_brick(m.brick_hash, m.brick_coord, x >> 3, y >> 3, z >> 3)
    if brick < 0:
        probability[i] = wp.nan
        return
    cell = brick * BRICK_CELLS + local_of(x & 7, y & 7, z & 7)
    state = int(m.cells[cell])
    if state == 0:
        probability[i] = wp.nan
        return
    value = probability_of(rules.min_log_odds, rules.log_odds_step, state & LEVEL_MASK)
    if state >= HAS_GAUSSIAN:
        gaussian = find_gaussian(m.gaussian_hash, m.gaussian_cell, cell)
        inside = wp.vec3(float(px - wp.floor(px)), float(py - wp.floor(py)), float(pz - wp.floor(pz)))
        d = inside - mean_in_cell(m.mean[gaussian])
        S = covariance_in_cell(m.covariance[gaussian], rules.point_variance)
        A = wp.inverse(S)
        outside = excess(rules.gate, rules.thickness, S, A, d)
        if outside > 1.0:
            beside = inside + wp.normalize(A * d)
            next_x = x + int(wp.floor(beside[0]))
            next_y = y + int(wp.floor(beside[1]))
            next_z = z + int(wp.floor(beside[2]))
            if cell_state(m, next_x, next_y, next_z) == 0:
                value = wp.nan
            else:
                value = value * wp.exp(-0.5 * rules.gate * (outside - 1.0))
    probability[i] = value


@wp.kernel
def cast(
    m: MapArrays,
    rules: Rules,
    origins: wp.array(dtype=wp.vec3d),
    directions: wp.array(dtype=wp.vec3),
    max_range_m: float,
    depth_m: wp.array(dtype=wp.float32),
    hit: wp.array(dtype=wp.int32),
):
    """Walk each ray (unit direction) from cell to cell to the first occupied Gaussian that it meets within its gate.

    The depth is where along the ray that Gaussian is densest: on a flat surface, the ray's cut with its plane. A ray
    that passes between two Gaussians of one surface comes to where nobody has seen: it ended beside the first one that
    it grazed. That lets gates be tight, so that rays which do pass an edge are not stopped by it.
    """
    i = wp.tid()
    d = directions[i]
    scale = wp.float64(1.0) / wp.float64(rules.cell_m)
    ox = origins[i][0] * scale
    oy = origins[i][1] * scale
    oz = origins[i][2] * scale
    x = int(wp.floor(ox))
    y = int(wp.floor(oy))
    z = int(wp.floor(oz))
    # All lengths below are in cells; `inside` is where the ray enters the present cell, from its corner.
    inside = wp.vec3(float(ox - wp.floor(ox)), float(oy - wp.floor(oy)), float(oz - wp.floor(oz)))
    length = max_range_m / rules.cell_m
    t = float(0.0)
    depth = float(wp.inf)
    found = int(-1)
    grazed = int(-1)
    grazed_t = float(0.0)
    was_level = bool(False)
    brick = int(-1)
    bx = int(2147483647)
    by = int(0)
    bz = int(0)
    while t <= length:
        if x >> 3 != bx or y >> 3 != by or z >> 3 != bz:
            bx = x >> 3
            by = y >> 3
            bz = z >> 3
            brick = find_brick(m.brick_hash, m.brick_coord, bx, by, bz)
        exit_x = float(1.0e9)
        exit_y = float(1.0e9)
        exit_z = float(1.0e9)
        if d[0] > 1.0e-9:
            exit_x = (1.0 - inside[0]) / d[0]
        elif d[0] < -1.0e-9:
            exit_x = -inside[0] / d[0]
        if d[1] > 1.0e-9:
            exit_y = (1.0 - inside[1]) / d[1]
        elif d[1] < -1.0e-9:
            exit_y = -inside[1] / d[1]
        if d[2] > 1.0e-9:
            exit_z = (1.0 - inside[2]) / d[2]
        elif d[2] < -1.0e-9:
            exit_z = -inside[2] / d[2]
        step = wp.max(wp.min(exit_x, wp.min(exit_y, exit_z)), 0.0)
        state = int(0)
        if brick >= 0:
            cell = brick * BRICK_CELLS + local_of(x & 7, y & 7, z & 7)
            state = int(m.cells[cell])
            if state >= HAS_GAUSSIAN and (state & LEVEL_MASK) >= rules.occupied_level:
                gaussian = find_gaussian(m.gaussian_hash, m.gaussian_cell, cell)
                offset = mean_in_cell(m.mean[gaussian]) - inside
                S = covariance_in_cell(m.covariance[gaussian], rules.min_variance)
                A = wp.inverse(S)
                Ad = A * d
                at = wp.dot(Ad, offset) / wp.dot(Ad, d)
                s = wp.clamp(at, 0.0, step)
                miss = offset - s * d
                if t + s <= length:
                    if excess(rules.gate, rules.thickness, S, A, miss) <= 1.0:
                        depth = (t + s) * rules.cell_m
                        found = gaussian
                        break
                    # One that it is level with inside that one's cell says best where the surface is.
                    is_level = at == s
                    if grazed < 0 or (is_level and not was_level):
                        grazed = gaussian
                        grazed_t = t + s
                        was_level = is_level
            elif state != 0:
                grazed = int(-1)
                was_level = bool(False)
        if state == 0 and grazed >= 0:
            break
        t += step
        inside = inside + step * d
        if exit_x <= exit_y and exit_x <= exit_z:
            if d[0] > 0.0:
                x += 1
                inside = wp.vec3(0.0, inside[1], inside[2])
            else:
                x -= 1
                inside = wp.vec3(1.0, inside[1], inside[2])
        elif exit_y <= exit_z:
            if d[1] > 0.0:
                y += 1
                inside = wp.vec3(inside[0], 0.0, inside[2])
            else:
                y -= 1
                inside = wp.vec3(inside[0], 1.0, inside[2])
        else:
            if d[2] > 0.0:
                z += 1
                inside = wp.vec3(inside[0], inside[1], 0.0)
            else:
                z -= 1
                inside = wp.vec3(inside[0], inside[1], 1.0)
    if found < 0 and grazed >= 0:
        depth = grazed_t * rules.cell_m
        found = grazed
    depth_m[i] = depth
    hit[i] = found


@wp.kernel
def rebuild_bricks(m: MapArrays, coords: wp.array(dtype=wp.vec3i), order: wp.array(dtype=wp.int32)):
    """Put the bricks into an empty hash. Launched with one thread, so that numbers follow the order of `coords`."""
    for i in range(coords.shape[0]):
        coord = coords[i]
        order[i] = put_brick(m, coord[0], coord[1], coord[2])


@wp.kernel
def rebuild_gaussians(m: MapArrays):
    """Put every Gaussian into an empty hash."""
    hash_gaussian(m, wp.tid())
