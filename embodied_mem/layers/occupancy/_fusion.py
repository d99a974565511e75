"""Kernels that merge a frame's sums (see `_sums`) into the map: exact moments, and one hit for each cell."""

# Warp reads annotations as its own types, so mypy and ruff can say nothing useful about kernel code.
# mypy: ignore-errors

from embodied_mem.layers.occupancy._structures import (
    BRICK_CELLS,
    BRICK_SIDE,
    COVARIANCE_STEPS,
    HAS_GAUSSIAN,
    LABEL_WEIGHT_PER_FRAME,
    LEVEL_MASK,
    MAX_LABEL_WEIGHT,
    MAX_WEIGHT,
    NO_LABEL,
    NUM_ADDED,
    NUM_DROPPED,
    NUM_LABEL_SLOTS,
    NUM_LIVE,
    NUM_MERGED,
    NUM_TOUCHED,
    MapArrays,
    Rules,
    Scratch,
    View,
    find_gaussian,
    mean_in_cell,
    note_change,
    put_gaussian,
    quantise,
    quantise_mean,
    vec2i16,
    vec2u8,
    vec6i16,
    vec14,
)
from embodied_mem.layers.occupancy._warp import wp
from embodied_mem.layers.occupancy.changes import BORN

MIN_COLOR_SHARE = 1.0 / 16.0
"""A frame's share in the colour never falls below this, so that colours follow the light."""


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
            if state != 0 and state <= rules.free_level:
                candidate = touched / BRICK_CELLS
                local = touched % BRICK_CELLS
                at = (view.origin_brick + scratch.candidate_grid[candidate]) * BRICK_SIDE
                at = at + wp.vec3i(local / 64, (local / 8) % 8, local % 8)
                label = int(m.labels[gaussian][0])
                note_change(scratch, at, BORN, view.tick, label)
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
