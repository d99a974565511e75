"""Kernels that fuse one frame's points: sums per cell first, then one merge by exact moments and one hit per cell."""

# Warp reads annotations as its own types, so mypy and ruff can say nothing useful about kernel code.
# mypy: ignore-errors

from embodied_mem.layers.occupancy._structures import (
    BRICK_CELLS,
    COVARIANCE_STEPS,
    HAS_GAUSSIAN,
    LABEL_WEIGHT_PER_FRAME,
    LEVEL_MASK,
    MAX_LABEL_WEIGHT,
    MAX_WEIGHT,
    MEAN_STEPS,
    NO_LABEL,
    NUM_ADDED,
    NUM_DROPPED,
    NUM_LABEL_SLOTS,
    NUM_LIVE,
    NUM_MERGED,
    NUM_POINTS,
    NUM_TOUCHED,
    TRANSIENT,
    MapArrays,
    Rules,
    Scratch,
    View,
    find_gaussian,
    local_of,
    mean_in_cell,
    put_gaussian,
    vec2i16,
    vec2u8,
    vec3u16,
    vec6i16,
    vec14,
)
from embodied_mem.layers.occupancy._warp import wp

NEIGHBOUR_PX = 2
"""How far the neighbours lie that a pixel is compared with; flying pixels come in rims one to three pixels wide."""
STEEPEST = 2.75
"""A surface that slants by 70 degrees (this is the tangent) is no edge, however coarse the image."""
RUN = 16
"""Used pixels of a row that one thread takes."""
MIN_COLOR_SHARE = 1.0 / 16.0
"""A frame's share in the colour never falls below this, so that colours follow the light."""


@wp.func
def differs(depth_m: wp.array2d(dtype=wp.float32), v: int, u: int, z: float) -> float:
    """How far the depth there is from `z`; 0 outside the image or without a return (no evidence of an edge)."""
    if v < 0 or u < 0 or v >= depth_m.shape[0] or u >= depth_m.shape[1]:
        return 0.0
    d = depth_m[v, u]
    if d <= 0.0:
        return 0.0
    return wp.abs(d - z)


@wp.func
def is_flying(depth_m: wp.array2d(dtype=wp.float32), v: int, u: int, z: float, max_ratio: float) -> bool:
    """Whether the pixel is far from both neighbours in a row or column, so belongs to no surface."""
    across = wp.min(differs(depth_m, v, u - NEIGHBOUR_PX, z), differs(depth_m, v, u + NEIGHBOUR_PX, z))
    along = wp.min(differs(depth_m, v - NEIGHBOUR_PX, u, z), differs(depth_m, v + NEIGHBOUR_PX, u, z))
    return wp.max(across, along) > max_ratio * z


@wp.func
def claim_slot(
    counters: wp.array(dtype=wp.int32),
    slot_of_cell: wp.array(dtype=wp.int32),
    touched_cell: wp.array(dtype=wp.int32),
    cell: int,
) -> int:
    """The cell's slot in the sums, taking a new one at its first point; -1 when they are full."""
    slot = slot_of_cell[cell]
    if slot < 0:
        fresh = wp.atomic_add(counters, NUM_TOUCHED, 1)
        if fresh >= touched_cell.shape[0]:
            return -1
        before = wp.atomic_cas(slot_of_cell, cell, -1, fresh)
        if before == -1:
            slot = fresh
            touched_cell[fresh] = cell
        else:
            # On a GPU another thread was faster; the slot stays empty and the merge skips it.
            slot = before
            touched_cell[fresh] = -1
    return slot


@wp.func
def count_label(
    label_slots: wp.array2d(dtype=wp.int32), label_counts: wp.array2d(dtype=wp.int32), slot: int, label: int
):
    """One more vote for the label; only the first few different labels of a cell are counted."""
    for i in range(NUM_LABEL_SLOTS):
        before = wp.atomic_cas(label_slots, slot, i, NO_LABEL, label)
        if before == NO_LABEL or before == label:
            wp.atomic_add(label_counts, slot, i, 1)
            break


@wp.func
def moments_of(d: wp.vec3, s: wp.vec3, w: float, spread: float, rgb: wp.vec3) -> vec14:
    """A pixel's share in the sums. It stands for a patch across the line of sight `s`, evenly filled, as wide as the
    next used pixel is away: its variance belongs to the moments, or a surface that few pixels hit would be full of
    holes.
    """
    return vec14(
        w,
        w * d[0],
        w * d[1],
        w * d[2],
        w * (d[0] * d[0] + spread * (1.0 - s[0] * s[0])),
        w * (d[0] * d[1] - spread * s[0] * s[1]),
        w * (d[0] * d[2] - spread * s[0] * s[2]),
        w * (d[1] * d[1] + spread * (1.0 - s[1] * s[1])),
        w * (d[1] * d[2] - spread * s[1] * s[2]),
        w * (d[2] * d[2] + spread * (1.0 - s[2] * s[2])),
        rgb[0],
        rgb[1],
        rgb[2],
        1.0,
    )


@wp.kernel
def accumulate(
    view: View,
    rules: Rules,
    scratch: Scratch,
    depth_m: wp.array2d(dtype=wp.float32),
    rgb: wp.array3d(dtype=wp.uint8),
    label_index: wp.array2d(dtype=wp.int16),
    map_label: wp.array(dtype=wp.int16),
):
    """Add each used pixel's point to the sums of its cell. `map_label` turns the frame's labels into the map's.

    A thread takes RUN pixels of a row and adds up neighbours of one cell before it writes.
    """
    row, run = wp.tid()
    v = view.offset + row * view.stride
    size = view.grid_size
    scale = 1.0 / rules.cell_m
    R = view.R_grid_camera * scale
    t = view.t_grid_camera * scale
    y_camera = (float(v) - view.cy) / view.fy
    inv_fx = 1.0 / view.fx
    patch = float(view.stride) * inv_fx * scale
    max_ratio = wp.max(rules.max_edge_ratio, STEEPEST * float(NEIGHBOUR_PX) * inv_fx)
    num_points = int(0)
    last_cell = int(-1)
    slot = int(-1)
    sums = vec14()
    for column in range(run * RUN, wp.min((run + 1) * RUN, view.columns)):
        u = view.offset + column * view.stride
        z = depth_m[v, u]
        if z < rules.min_depth_m or z > rules.max_depth_m:
            continue
        label = int(NO_LABEL)
        if view.has_labels != 0:
            index = int(label_index[v, u])
            if index >= 0:
                label = int(map_label[index])
        if label == TRANSIENT or is_flying(depth_m, v, u, z, max_ratio):
            continue
        ray = R * wp.vec3((float(u) - view.cx) * inv_fx, y_camera, 1.0)
        p = z * ray + t
        if wp.min(p[0], wp.min(p[1], p[2])) < 0.0:
            continue
        x = int(p[0])
        y = int(p[1])
        zc = int(p[2])
        bx = x >> 3
        by = y >> 3
        bz = zc >> 3
        if bx >= size[0] or by >= size[1] or bz >= size[2]:
            continue
        candidate = scratch.candidate_of[(bx * size[1] + by) * size[2] + bz]
        if candidate < 0:
            continue
        cell = candidate * BRICK_CELLS + local_of(x & 7, y & 7, zc & 7)
        if cell != last_cell:
            if slot >= 0:
                wp.atomic_add(scratch.sums, slot, sums)
            sums = vec14()
            last_cell = cell
            slot = claim_slot(scratch.counters, scratch.slot_of_cell, scratch.touched_cell, cell)
            if slot >= 0:
                scratch.candidate_is_hit[candidate] = 1
        if slot < 0:
            continue
        ratio = rules.sigma_m / (rules.sigma_m + rules.sigma_per_m2 * z * z)
        d = p - wp.vec3(float(x) + 0.5, float(y) + 0.5, float(zc) + 0.5)
        side = wp.min(patch * z, 1.0)
        rgb_here = wp.vec3()
        if view.has_rgb != 0:
            rgb_here = wp.vec3(float(rgb[v, u, 0]), float(rgb[v, u, 1]), float(rgb[v, u, 2]))
        sums = sums + moments_of(d, wp.normalize(ray), ratio * ratio, side * side / 12.0, rgb_here)
        num_points += 1
        if label >= 0:
            count_label(scratch.label_slots, scratch.label_counts, slot, label)
    if slot >= 0:
        wp.atomic_add(scratch.sums, slot, sums)
    if num_points > 0:
        wp.atomic_add(scratch.counters, NUM_POINTS, num_points)


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
def blend_color(old: wp.uint32, rgb: wp.vec3, share: float) -> wp.uint32:
    """The mean colour with 10 bits a channel; the top two bits say that there is one."""
    share_now = share
    if old == wp.uint32(0):
        share_now = 1.0
    r = float((old >> wp.uint32(20)) & wp.uint32(1023)) * 0.25
    g = float((old >> wp.uint32(10)) & wp.uint32(1023)) * 0.25
    b = float(old & wp.uint32(1023)) * 0.25
    r = wp.clamp(r + share_now * (rgb[0] - r), 0.0, 255.0)
    g = wp.clamp(g + share_now * (rgb[1] - g), 0.0, 255.0)
    b = wp.clamp(b + share_now * (rgb[2] - b), 0.0, 255.0)
    high = wp.uint32(3) << wp.uint32(30)
    r10 = wp.uint32(r * 4.0 + 0.5) << wp.uint32(20)
    g10 = wp.uint32(g * 4.0 + 0.5) << wp.uint32(10)
    return high | r10 | g10 | wp.uint32(b * 4.0 + 0.5)


@wp.func
def vote(m: MapArrays, gaussian: int, label: int, weight: int):
    """Keep the two strongest labels: the weaker one gives way by as much as a third one weighs (Misra-Gries)."""
    first = int(m.labels[gaussian][0])
    second = int(m.labels[gaussian][1])
    w1 = int(m.label_weights[gaussian][0])
    w2 = int(m.label_weights[gaussian][1])
    if first == label or first == NO_LABEL:
        first = label
        w1 += weight
    elif second == label or second == NO_LABEL:
        second = label
        w2 += weight
    elif w2 > weight:
        w2 -= weight
    else:
        second = label
        w2 = wp.max(weight - w2, 1)
    if w2 > w1:
        swap_label = first
        first = second
        second = swap_label
        swap_weight = w1
        w1 = w2
        w2 = swap_weight
    if w1 > MAX_LABEL_WEIGHT:
        w1 = (w1 + 1) / 2
        w2 = w2 / 2
    m.labels[gaussian] = vec2i16(wp.int16(first), wp.int16(second))
    m.label_weights[gaussian] = vec2u8(wp.uint8(w1), wp.uint8(w2))


@wp.func
def take_votes(m: MapArrays, scratch: Scratch, slot: int, gaussian: int, num_points: float):
    """The frame's winning label of the cell (ties: the smaller index) votes with its share of the points."""
    best = int(NO_LABEL)
    best_count = int(0)
    for i in range(NUM_LABEL_SLOTS):
        label = scratch.label_slots[slot, i]
        count = scratch.label_counts[slot, i]
        if label >= 0:
            if count > best_count or (count == best_count and label < best):
                best = label
                best_count = count
        scratch.label_slots[slot, i] = NO_LABEL
        scratch.label_counts[slot, i] = 0
    if best >= 0:
        share = float(best_count) / num_points * float(LABEL_WEIGHT_PER_FRAME)
        vote(m, gaussian, best, wp.max(int(share + 0.5), 1))


@wp.func
def start_gaussian(m: MapArrays, gaussian: int, tick: int):
    m.weight[gaussian] = wp.float16(0.0)
    m.color[gaussian] = wp.uint32(0)
    m.labels[gaussian] = vec2i16(wp.int16(NO_LABEL), wp.int16(NO_LABEL))
    m.label_weights[gaussian] = vec2u8(wp.uint8(0), wp.uint8(0))
    m.first_seen_tick[gaussian] = tick
    m.last_seen_tick[gaussian] = tick
    wp.atomic_add(m.counters, NUM_LIVE, 1)


@wp.func
def merge_moments(m: MapArrays, scratch: Scratch, slot: int, gaussian: int) -> float:
    """Exact weighted moments of old and new together; what comes back is the new points' share of the weight."""
    sums = scratch.sums[slot]
    w = sums[0]
    inv = 1.0 / w
    ax = sums[1] * inv
    ay = sums[2] * inv
    az = sums[3] * inv
    xx = sums[4] * inv - ax * ax
    xy = sums[5] * inv - ax * ay
    xz = sums[6] * inv - ax * az
    yy = sums[7] * inv - ay * ay
    yz = sums[8] * inv - ay * az
    zz = sums[9] * inv - az * az
    seen = wp.vec3(ax + 0.5, ay + 0.5, az + 0.5)
    before = float(m.weight[gaussian])
    total = before + w
    share = w / total
    mean = seen
    if before > 0.0:
        old = mean_in_cell(m.mean[gaussian])
        q = m.covariance[gaussian]
        d = seen - old
        mean = old + share * d
        keep = 1.0 - share
        s = keep / COVARIANCE_STEPS
        cross = share * keep
        xx = float(q[0]) * s + share * xx + cross * d[0] * d[0]
        xy = float(q[1]) * s + share * xy + cross * d[0] * d[1]
        xz = float(q[2]) * s + share * xz + cross * d[0] * d[2]
        yy = float(q[3]) * s + share * yy + cross * d[1] * d[1]
        yz = float(q[4]) * s + share * yz + cross * d[1] * d[2]
        zz = float(q[5]) * s + share * zz + cross * d[2] * d[2]
    m.weight[gaussian] = wp.float16(wp.min(total, MAX_WEIGHT))
    m.mean[gaussian] = quantise_mean(mean)
    m.covariance[gaussian] = vec6i16(
        quantise(xx), quantise(xy), quantise(xz), quantise(yy), quantise(yz), quantise(zz)
    )
    return share


@wp.kernel
def merge(view: View, rules: Rules, scratch: Scratch, m: MapArrays):
    """One hit for every touched cell, its points merged into its Gaussian; the sums are cleared for the next frame."""
    slot = wp.tid()
    touched = scratch.touched_cell[slot]
    if touched < 0:
        return
    scratch.slot_of_cell[touched] = -1
    num_points = scratch.sums[slot][13]
    brick = scratch.candidate_brick[touched / BRICK_CELLS]
    gaussian = int(-1)
    if brick >= 0:
        cell = brick * BRICK_CELLS + touched % BRICK_CELLS
        state = int(m.cells[cell])
        if state >= HAS_GAUSSIAN:
            gaussian = find_gaussian(m.gaussian_hash, m.gaussian_cell, cell)
            wp.atomic_add(m.counters, NUM_MERGED, 1)
        else:
            gaussian = put_gaussian(m, cell)
            if gaussian >= 0:
                start_gaussian(m, gaussian, view.tick)
                wp.atomic_add(m.counters, NUM_ADDED, 1)
        if gaussian >= 0:
            level = state & LEVEL_MASK
            if level == 0:
                level = rules.unknown_level
            m.cells[cell] = wp.uint8(wp.min(level + rules.hit_levels, LEVEL_MASK) + HAS_GAUSSIAN)
            share = merge_moments(m, scratch, slot, gaussian)
            m.first_seen_tick[gaussian] = wp.min(m.first_seen_tick[gaussian], view.tick)
            m.last_seen_tick[gaussian] = wp.max(m.last_seen_tick[gaussian], view.tick)
            if view.has_rgb != 0:
                rgb = wp.vec3(scratch.sums[slot][10], scratch.sums[slot][11], scratch.sums[slot][12])
                m.color[gaussian] = blend_color(
                    m.color[gaussian], rgb / num_points, wp.max(share, MIN_COLOR_SHARE)
                )
            take_votes(m, scratch, slot, gaussian, num_points)
    if gaussian < 0:
        wp.atomic_add(m.counters, NUM_DROPPED, 1)
        for i in range(NUM_LABEL_SLOTS):
            scratch.label_slots[slot, i] = NO_LABEL
            scratch.label_counts[slot, i] = 0
    scratch.sums[slot] = vec14()


@wp.kernel
def count_new(scratch: Scratch, m: MapArrays):
    """How many touched cells have no Gaussian yet, into the counter of touched cells."""
    touched = scratch.touched_cell[wp.tid()]
    if touched < 0:
        return
    brick = scratch.candidate_brick[touched / BRICK_CELLS]
    state = int(0)
    if brick >= 0:
        state = int(m.cells[brick * BRICK_CELLS + touched % BRICK_CELLS])
    if state < HAS_GAUSSIAN:
        wp.atomic_add(scratch.counters, NUM_TOUCHED, 1)
