"""The arrays that kernels share: the map, one frame's view, and the frame's scratch memory.

The map is a hash of bricks of 8x8x8 cells. A cell is one byte: the top bit says that it has a Gaussian, the rest
is its clamped log-odds in 127 levels (0: unknown). Gaussians lie in arrays of their own, found through a second
hash by cell id (`brick * 512 + local`). Functions that run often take single arrays and numbers: on the CPU, Warp
passes structs by value, and copying all of `MapArrays` takes longer than most of them. Moments are kept relative to the cell and quantised: 42 bytes a Gaussian.
"""

# Warp reads annotations as its own types, so mypy and ruff can say nothing useful about kernel code.
# mypy: ignore-errors

from embodied_mem.layers.occupancy._warp import wp

BRICK_SIDE = 8
BRICK_CELLS = 512
HAS_GAUSSIAN = 128
LEVEL_MASK = 127
DEAD = -1
TOMBSTONE = -1
NO_LABEL = -1
TRANSIENT = -2
NUM_LABEL_SLOTS = 4

MEAN_STEPS = 65535.0
"""Steps of a mean across its cell."""
COVARIANCE_STEPS = 65534.0
"""Steps per squared cell side of a covariance. Points of one cell cannot scatter by more than 1/4 of it, and their
patches add at most 1/12, so 16 bits reach (1/2)."""
LABEL_WEIGHT_PER_FRAME = 16
MAX_WEIGHT = 60000.0
"""What a weight in 16 bits is clamped to; beyond it new points count a little more than their share."""
MAX_LABEL_WEIGHT = 255

# Indices into MapArrays.counters.
NUM_BRICKS = 0
NUM_GAUSSIANS = 1
NUM_LIVE = 2
NUM_REMOVED = 3
NUM_ADDED = 4
NUM_MERGED = 5
NUM_DROPPED = 6

# Indices into Scratch.counters.
NUM_TOUCHED = 0
NUM_POINTS = 1
NUM_CANDIDATES = 2
NUM_MISSING = 3

vec14 = wp.types.vector(14, wp.float32)
"""A cell's sums in a frame: weight, offset (3), products (6), colour (3), number of points."""
vec3u16 = wp.types.vector(3, wp.uint16)
vec6i16 = wp.types.vector(6, wp.int16)
vec2i16 = wp.types.vector(2, wp.int16)
vec16u8 = wp.types.vector(16, wp.uint8)
vec2u8 = wp.types.vector(2, wp.uint8)


@wp.struct
class MapArrays:
    brick_hash: wp.array(dtype=wp.int32)  # brick + 1, 0 where empty
    brick_coord: wp.array(dtype=wp.vec3i)
    brick_seen_tick: wp.array(dtype=wp.int32)
    cells: wp.array(dtype=wp.uint8)
    gaussian_hash: wp.array(dtype=wp.int32)  # Gaussian + 1, 0 where empty, TOMBSTONE where one was removed
    gaussian_cell: wp.array(dtype=wp.int32)  # cell id, DEAD when removed
    mean: wp.array(dtype=vec3u16)
    covariance: wp.array(dtype=vec6i16)  # xx, xy, xz, yy, yz, zz
    weight: wp.array(dtype=wp.float16)
    color: wp.array(dtype=wp.uint32)  # 10 bits each for r, g, b; 0 in the top two: never coloured
    labels: wp.array(dtype=vec2i16)
    label_weights: wp.array(dtype=vec2u8)
    first_seen_tick: wp.array(dtype=wp.int32)
    last_seen_tick: wp.array(dtype=wp.int32)
    code: wp.array(dtype=vec16u8)  # empty in maps without codes; a first byte of 0: none yet
    counters: wp.array(dtype=wp.int32)


@wp.struct
class Sight:
    """What it takes to tell whether a place was seen through: small, because functions get a copy of it.

    Intrinsics and image size count used pixels, not the image's.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    last_column: float
    last_row: float
    tile_shift: int  # used pixels per side of a tile of `tile_max_m`, as a power of two
    near_m: float  # nearer places are not judged
    margin_m: float
    margin_per_m2: float


@wp.struct
class View:
    """One frame's camera and the block of bricks around its view; positions are relative to that block's corner."""

    sight: Sight
    R_grid_camera: wp.mat33
    t_grid_camera: wp.vec3  # metres from the block's corner
    origin_brick: wp.vec3i
    grid_size: wp.vec3i  # in bricks
    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    stride: int
    offset: int  # of the first pixel used
    columns: int
    rows: int
    tick: int
    has_labels: int
    has_rgb: int
    has_sigma: int  # whether the frame says how uncertain each depth is


@wp.struct
class Rules:
    """The configuration as kernels need it."""

    cell_m: float
    min_depth_m: float
    max_depth_m: float
    hit_levels: int
    miss_levels: int
    unknown_level: int  # the level that log-odds 0 has: where an unknown cell starts
    remove_level: int
    occupied_level: int  # at and above it a cell counts as occupied
    free_level: int  # at and below it, two frames more saw through a cell than hit it
    stable_level: int  # at and above it a Gaussian is stable
    min_log_odds: float
    log_odds_step: float
    miss_weight_decay: float
    edge_weight_decay: float
    edge_cut: float
    sigma_m: float
    sigma_per_m2: float
    max_edge_ratio: float
    min_variance: float  # in squared cell sides
    point_variance: float  # the same, when points are asked for
    gate: float  # squared sigmas, along each axis
    thickness: float  # squared sigmas, across the surface


@wp.struct
class Scratch:
    """What lives for one frame. `candidate_of` maps the block's bricks to those in view, numbered densely."""

    pooled_m: wp.array2d(dtype=wp.float32)  # the nearest depth around each used pixel
    tile_max_m: wp.array2d(dtype=wp.float32)
    candidate_of: wp.array(dtype=wp.int32)
    candidate_grid: wp.array(dtype=wp.vec3i)
    candidate_brick: wp.array(dtype=wp.int32)
    candidate_is_hit: wp.array(dtype=wp.int32)
    candidate_is_carved: wp.array(dtype=wp.int32)
    slot_of_cell: wp.array(dtype=wp.int32)  # candidate * 512 + local -> slot in sums, -1 where untouched
    touched_cell: wp.array(dtype=wp.int32)
    sums: wp.array(dtype=vec14)
    label_slots: wp.array2d(dtype=wp.int32)
    label_counts: wp.array2d(dtype=wp.int32)
    counters: wp.array(dtype=wp.int32)
    note_cell: wp.array(dtype=wp.vec3i)  # world coordinates of cells that changed
    note: wp.array(dtype=wp.vec3i)  # what happened, a tick, a label
    num_notes: wp.array(dtype=wp.int32)


@wp.func
def hash_brick(x: int, y: int, z: int, num_slots: int) -> int:
    h = (
        wp.uint32(x) * wp.uint32(73856093)
        ^ wp.uint32(y) * wp.uint32(19349669)
        ^ wp.uint32(z) * wp.uint32(83492791)
    )
    h = (h ^ (h >> wp.uint32(15))) * wp.uint32(668265263)
    h = h ^ (h >> wp.uint32(13))
    return int((wp.uint64(h) * wp.uint64(num_slots)) >> wp.uint64(32))


@wp.func
def hash_cell(cell: int, num_slots: int) -> int:
    h = wp.uint32(cell) * wp.uint32(1640531527)
    h = h ^ (h >> wp.uint32(16))
    h = h * wp.uint32(668265263)
    return int((wp.uint64(h) * wp.uint64(num_slots)) >> wp.uint64(32))


@wp.func
def find_brick(
    brick_hash: wp.array(dtype=wp.int32), brick_coord: wp.array(dtype=wp.vec3i), x: int, y: int, z: int
) -> int:
    """The brick at that brick coordinate, or -1. Linear probing; bricks are never removed one by one."""
    num_slots = brick_hash.shape[0]
    slot = hash_brick(x, y, z, num_slots)
    found = int(-1)
    for _ in range(num_slots):
        entry = brick_hash[slot]
        if entry == 0:
            break
        coord = brick_coord[entry - 1]
        if coord[0] == x and coord[1] == y and coord[2] == z:
            found = entry - 1
            break
        slot += 1
        if slot == num_slots:
            slot = 0
    return found


@wp.func
def put_brick(m: MapArrays, x: int, y: int, z: int) -> int:
    """A new brick there, or -1 when the arrays are full. One thread only may put a given coordinate."""
    brick = wp.atomic_add(m.counters, NUM_BRICKS, 1)
    if brick >= m.brick_coord.shape[0]:
        wp.atomic_sub(m.counters, NUM_BRICKS, 1)
        return -1
    m.brick_coord[brick] = wp.vec3i(x, y, z)
    num_slots = m.brick_hash.shape[0]
    slot = hash_brick(x, y, z, num_slots)
    for _ in range(num_slots):
        if wp.atomic_cas(m.brick_hash, slot, 0, brick + 1) == 0:
            break
        slot += 1
        if slot == num_slots:
            slot = 0
    return brick


@wp.func
def gaussian_slot(
    gaussian_hash: wp.array(dtype=wp.int32), gaussian_cell: wp.array(dtype=wp.int32), cell: int
) -> int:
    """Where in `gaussian_hash` the cell's Gaussian stands, or -1."""
    num_slots = gaussian_hash.shape[0]
    slot = hash_cell(cell, num_slots)
    found = int(-1)
    for _ in range(num_slots):
        entry = gaussian_hash[slot]
        if entry == 0:
            break
        if entry > 0:
            if gaussian_cell[entry - 1] == cell:
                found = slot
                break
        slot += 1
        if slot == num_slots:
            slot = 0
    return found


@wp.func
def find_gaussian(
    gaussian_hash: wp.array(dtype=wp.int32), gaussian_cell: wp.array(dtype=wp.int32), cell: int
) -> int:
    """The Gaussian of the cell, or -1."""
    slot = gaussian_slot(gaussian_hash, gaussian_cell, cell)
    if slot < 0:
        return -1
    return gaussian_hash[slot] - 1


@wp.func
def put_gaussian(m: MapArrays, cell: int) -> int:
    """A new Gaussian for the cell, or -1 when the arrays are full. One thread only may put a given cell."""
    gaussian = wp.atomic_add(m.counters, NUM_GAUSSIANS, 1)
    if gaussian >= m.gaussian_cell.shape[0]:
        wp.atomic_sub(m.counters, NUM_GAUSSIANS, 1)
        return -1
    m.gaussian_cell[gaussian] = cell
    hash_gaussian(m, gaussian)
    return gaussian


@wp.func
def hash_gaussian(m: MapArrays, gaussian: int):
    num_slots = m.gaussian_hash.shape[0]
    slot = hash_cell(m.gaussian_cell[gaussian], num_slots)
    for _ in range(num_slots):
        if wp.atomic_cas(m.gaussian_hash, slot, 0, gaussian + 1) == 0:
            break
        slot += 1
        if slot == num_slots:
            slot = 0


@wp.func
def note_change(scratch: Scratch, cell: wp.vec3i, kind: int, tick: int, label: int):
    """Note that a cell changed, for `ChangeLog`; beyond the room for notes nothing is noted."""
    i = wp.atomic_add(scratch.num_notes, 0, 1)
    if i < scratch.note_cell.shape[0]:
        scratch.note_cell[i] = cell
        scratch.note[i] = wp.vec3i(kind, tick, label)


@wp.func
def mean_in_cell(q: vec3u16) -> wp.vec3:
    """The mean, 0..1 across its cell on each axis."""
    return wp.vec3(float(q[0]), float(q[1]), float(q[2])) * (1.0 / MEAN_STEPS)


@wp.func
def quantise_mean(p: wp.vec3) -> vec3u16:
    x = wp.uint16(wp.clamp(p[0], 0.0, 1.0) * MEAN_STEPS + 0.5)
    y = wp.uint16(wp.clamp(p[1], 0.0, 1.0) * MEAN_STEPS + 0.5)
    z = wp.uint16(wp.clamp(p[2], 0.0, 1.0) * MEAN_STEPS + 0.5)
    return vec3u16(x, y, z)


@wp.func
def quantise(value: float) -> wp.int16:
    return wp.int16(wp.floor(wp.clamp(value * COVARIANCE_STEPS, -32767.0, 32767.0) + 0.5))


@wp.func
def covariance_in_cell(q: vec6i16, min_variance: float) -> wp.mat33:
    """The covariance in squared cell sides, `min_variance` added to its diagonal."""
    s = 1.0 / COVARIANCE_STEPS
    xx = float(q[0]) * s + min_variance
    xy = float(q[1]) * s
    xz = float(q[2]) * s
    yy = float(q[3]) * s + min_variance
    yz = float(q[4]) * s
    zz = float(q[5]) * s + min_variance
    return wp.mat33(xx, xy, xz, xy, yy, yz, xz, yz, zz)


@wp.func
def excess(gate: float, thickness: float, S: wp.mat33, A: wp.mat33, d: wp.vec3) -> float:
    """How far `d` from the mean is out of the Gaussian with covariance `S`, inverse `A`: up to 1 is inside its gates.

    Along the cell's axes the gate is a box, which a surface that fills its cell fills to the corners (an ellipsoid
    would either leave holes there or reach far beyond the rim of one that ends in the cell). Across the surface it is
    tighter, or rays that pass close by would end too early; the normal is A's main eigenvector, by power iteration.
    """
    box = wp.max(d[0] * d[0] / S[0, 0], wp.max(d[1] * d[1] / S[1, 1], d[2] * d[2] / S[2, 2]))
    power = A * (3.0 / wp.trace(A))
    power = power * power
    power = power * power
    n = wp.normalize(power * (power * wp.vec3(0.61, 0.53, 0.59)))
    n = wp.normalize(power * (power * n))
    across = wp.dot(n, d)
    return wp.max(box / gate, across * across * wp.dot(n, A * n) / thickness)


@wp.func
def local_of(x: int, y: int, z: int) -> int:
    return (x * BRICK_SIDE + y) * BRICK_SIDE + z


@wp.func
def probability_of(min_log_odds: float, log_odds_step: float, level: int) -> float:
    return 1.0 / (1.0 + wp.exp(-min_log_odds - float(level - 1) * log_odds_step))
