"""Kernels that turn Gaussians into voxels of any grid: how occupied each is, and by what."""

# Warp reads annotations as its own types, so mypy and ruff can say nothing useful about kernel code.
# mypy: ignore-errors

from embodied_mem.layers.occupancy._structures import (
    BRICK_CELLS,
    HAS_GAUSSIAN,
    LEVEL_MASK,
    MapArrays,
    Rules,
    covariance_in_cell,
    find_brick,
    find_gaussian,
    local_of,
    mean_in_cell,
    probability_of,
)
from embodied_mem.layers.occupancy._warp import wp

NUM_VOTES = 8
"""Different labels that are weighed in one voxel; further ones are left out."""
CORE = 0.4
"""Half of the core's side, in voxels; chosen on the synthetic room of seed 0 and the home of seed 0."""
PRODUCT = 0
ADDITIVE = 1

vec8f = wp.types.vector(NUM_VOTES, wp.float32)
vec8i = wp.types.vector(NUM_VOTES, wp.int32)


@wp.struct
class VoxelGrid:
    corner: wp.vec3d  # in cells
    R: wp.mat33  # the grid's axes in the map's
    spread: float  # how far along the map's axes a cube of the grid reaches, in its sides: 1 when they are parallel
    voxel_cells: float  # a voxel's side in cells
    size: wp.vec3i
    form: int
    min_level: int  # Gaussians below it are left out
    empty_score: float


@wp.func
def vote_slot(names: vec8i, label: int) -> int:
    """Where the label stands or could stand; -1 when eight others are there."""
    found = int(-1)
    for i in range(NUM_VOTES):
        if found < 0 and (names[i] == label or names[i] < 0):
            found = i
    return found


@wp.kernel
def splat(
    m: MapArrays,
    rules: Rules,
    grid: VoxelGrid,
    occupancy: wp.array(dtype=wp.float32),
    label: wp.array(dtype=wp.int16),
):
    """What the Gaussians around each voxel say about it.

    A voxel is a box, not a point: e = exp(-d'S^-1 d / 2) is taken where its core (0.8 of its side) comes nearest to
    the Gaussian's mean, or a thin wall would fill only those voxels whose centre it cuts. PRODUCT: the voxel is empty
    only if no Gaussian occupies it, 1 - prod(1 - a e); its label is the largest sum of normalised density times a.
    ADDITIVE: sum(a e) against the score of emptiness, labels by the same unnormalised sums.
    """
    x, y, z = wp.tid()
    index = (x * grid.size[1] + y) * grid.size[2] + z
    step = wp.float64(grid.voxel_cells)
    half = wp.float64(0.5)
    along_x = (wp.float64(x) + half) * step
    along_y = (wp.float64(y) + half) * step
    along_z = (wp.float64(z) + half) * step
    R = grid.R
    cx = (
        grid.corner[0]
        + wp.float64(R[0, 0]) * along_x
        + wp.float64(R[0, 1]) * along_y
        + wp.float64(R[0, 2]) * along_z
    )
    cy = (
        grid.corner[1]
        + wp.float64(R[1, 0]) * along_x
        + wp.float64(R[1, 1]) * along_y
        + wp.float64(R[1, 2]) * along_z
    )
    cz = (
        grid.corner[2]
        + wp.float64(R[2, 0]) * along_x
        + wp.float64(R[2, 1]) * along_y
        + wp.float64(R[2, 2]) * along_z
    )
    reach = half * step * wp.float64(grid.spread) + half
    low_x = int(wp.floor(cx - reach))
    low_y = int(wp.floor(cy - reach))
    low_z = int(wp.floor(cz - reach))
    high_x = int(wp.floor(cx + reach))
    high_y = int(wp.floor(cy + reach))
    high_z = int(wp.floor(cz + reach))
    core = CORE * grid.voxel_cells
    empty = float(1.0)
    total = float(0.0)
    is_known = bool(False)
    names = vec8i(-1, -1, -1, -1, -1, -1, -1, -1)
    scores = vec8f()
    for i in range(low_x, high_x + 1):
        for j in range(low_y, high_y + 1):
            for k in range(low_z, high_z + 1):
                brick = find_brick(m.brick_hash, m.brick_coord, i >> 3, j >> 3, k >> 3)
                if brick < 0:
                    continue
                cell = brick * BRICK_CELLS + local_of(i & 7, j & 7, k & 7)
                state = int(m.cells[cell])
                dx = float(wp.float64(i) - cx)
                dy = float(wp.float64(j) - cy)
                dz = float(wp.float64(k) - cz)
                near = wp.max(wp.abs(wp.transpose(R) * wp.vec3(dx + 0.5, dy + 0.5, dz + 0.5)))
                # A known cell's centre in the voxel, or the voxel's centre in a known cell (a hair of rounding allowed).
                if state != 0 and near <= wp.max(0.5 * grid.voxel_cells, 0.5) + 1.0e-4:
                    is_known = True
                if state < HAS_GAUSSIAN or (state & LEVEL_MASK) < grid.min_level:
                    continue
                gaussian = find_gaussian(m.gaussian_hash, m.gaussian_cell, cell)
                d = wp.transpose(R) * (mean_in_cell(m.mean[gaussian]) + wp.vec3(dx, dy, dz))
                d = R * (
                    d
                    - wp.vec3(
                        wp.clamp(d[0], -core, core), wp.clamp(d[1], -core, core), wp.clamp(d[2], -core, core)
                    )
                )
                S = covariance_in_cell(m.covariance[gaussian], rules.min_variance)
                a = probability_of(rules.min_log_odds, rules.log_odds_step, state & LEVEL_MASK)
                e = a * wp.exp(-0.5 * wp.dot(d, wp.inverse(S) * d))
                empty = empty * (1.0 - wp.min(e, 0.999))
                total += e
                density = e
                if grid.form == PRODUCT:
                    density = e / wp.sqrt(wp.determinant(S))
                w1 = float(m.label_weights[gaussian][0])
                w2 = float(m.label_weights[gaussian][1])
                for n in range(2):
                    name = int(m.labels[gaussian][n])
                    if name >= 0:
                        share = w1
                        if n == 1:
                            share = w2
                        slot = vote_slot(names, name)
                        if slot >= 0:
                            names[slot] = name
                            scores[slot] = scores[slot] + density * share / (w1 + w2)
    best = int(-1)
    best_score = float(0.0)
    for n in range(NUM_VOTES):
        if scores[n] > best_score:
            best = names[n]
            best_score = scores[n]
    value = 1.0 - empty
    if grid.form == ADDITIVE:
        value = total / (total + grid.empty_score)
    if value <= 0.5:
        best = -1
        if not is_known:
            value = wp.nan
    occupancy[index] = value
    label[index] = wp.int16(best)
