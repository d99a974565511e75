"""Kernels that add up a frame's points in each cell that they hit."""

# Warp reads annotations as its own types, so mypy and ruff can say nothing useful about kernel code.
# mypy: ignore-errors

from embodied_mem.layers.occupancy._structures import (
    BRICK_CELLS,
    NO_LABEL,
    NUM_LABEL_SLOTS,
    NUM_POINTS,
    NUM_TOUCHED,
    TRANSIENT,
    Rules,
    Scratch,
    View,
    local_of,
    vec14,
)
from embodied_mem.layers.occupancy._warp import wp

NEIGHBOUR_PX = 2
"""How far the neighbours lie that a pixel is compared with; flying pixels come in rims one to three pixels wide."""
STEEPEST = 2.75
"""A surface that slants by 70 degrees (this is the tangent) is no edge, however coarse the image."""
RUN_PX, CUDA_RUN_PX = 160, 16
"""Used pixels of a row that one thread takes: a GPU needs many threads, on a CPU each costs its start."""


@wp.func
def is_far(depth_m: wp.array2d(dtype=wp.float32), v: int, u: int, z: float, step_m: float) -> bool:
    """Whether the depth there differs by more than `step_m` from `z`; not outside the image or without a return (that
    is no evidence of an edge).
    """
    if v < 0 or u < 0 or v >= depth_m.shape[0] or u >= depth_m.shape[1]:
        return False
    d = depth_m[v, u]
    return d > 0.0 and wp.abs(d - z) > step_m


@wp.func
def is_flying(depth_m: wp.array2d(dtype=wp.float32), v: int, u: int, z: float, step_m: float) -> bool:
    """Whether the pixel is far from both neighbours in a row or column, so belongs to no surface."""
    if is_far(depth_m, v, u - NEIGHBOUR_PX, z, step_m):
        if is_far(depth_m, v, u + NEIGHBOUR_PX, z, step_m):
            return True
    if is_far(depth_m, v - NEIGHBOUR_PX, u, z, step_m):
        if is_far(depth_m, v + NEIGHBOUR_PX, u, z, step_m):
            return True
    return False


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
    label_slots: wp.array2d(dtype=wp.int32),
    label_counts: wp.array2d(dtype=wp.int32),
    slot: int,
    label: int,
    num_votes: int,
):
    """More votes for the label; only the first few different labels of a cell are counted."""
    for i in range(NUM_LABEL_SLOTS):
        before = wp.atomic_cas(label_slots, slot, i, NO_LABEL, label)
        if before == NO_LABEL or before == label:
            wp.atomic_add(label_counts, slot, i, num_votes)
            break


@wp.func
def symmetric(aa: float, ab: float, bb: float, a: wp.vec3, b: wp.vec3) -> wp.mat33:
    """aa * a a' + ab * (a b' + b a') + bb * b b'."""
    return wp.outer(aa * a + ab * b, a) + wp.outer(ab * a + bb * b, b)


@wp.func
def moments_of(
    first: wp.vec3,
    ray: wp.vec3,
    step: wp.vec3,
    sums: wp.vec3,
    squares: wp.vec3,
    patch: float,
    patch_rays: wp.vec3,
    rgb: wp.vec3,
    num_points: int,
) -> vec14:
    """The sums of neighbouring pixels in one row and cell, from sums over two numbers of each.

    With `first` the first one's offset from the cell's centre, `ray` its ray (per metre of depth) and `step` what a ray
    gains per pixel, a pixel's offset is first + a ray + b step, where a is its depth less the first one's, and b its
    depth times the columns between them. `sums` holds those of w, w a and w b; `squares` those of w a a, w a b and w b b.

    A pixel stands for a patch across its line of sight, evenly filled, as wide as the next used pixel is away: its
    variance belongs to the moments, or a surface that few pixels hit would be full of holes. `patch` sums up those
    variances; `patch_rays` what of them lies along the rays: those of k, k c and k c c for c columns.
    """
    offset = sums[0] * first + sums[1] * ray + sums[2] * step
    along = sums[1] * ray + sums[2] * step
    S = (
        wp.outer(first, offset)
        + wp.outer(along, first)
        + symmetric(squares[0], squares[1], squares[2], ray, step)
    )
    S = S - symmetric(patch_rays[0], patch_rays[1], patch_rays[2], ray, step)
    return vec14(
        sums[0],
        offset[0],
        offset[1],
        offset[2],
        S[0, 0] + patch,
        S[0, 1],
        S[0, 2],
        S[1, 1] + patch,
        S[1, 2],
        S[2, 2] + patch,
        rgb[0],
        rgb[1],
        rgb[2],
        float(num_points),
    )


@wp.func
def add_run(
    sums: wp.array(dtype=vec14),
    label_slots: wp.array2d(dtype=wp.int32),
    label_counts: wp.array2d(dtype=wp.int32),
    slot: int,
    first: wp.vec3,
    ray: wp.vec3,
    step: wp.vec3,
    run_sums: wp.vec3,
    run_squares: wp.vec3,
    patch: float,
    patch_rays: wp.vec3,
    rgb: wp.vec3,
    num_points: int,
    label: int,
    num_votes: int,
):
    """Add neighbouring pixels of one cell, as `moments_of` takes them, to the cell's sums and votes."""
    moments = moments_of(first, ray, step, run_sums, run_squares, patch, patch_rays, rgb, num_points)
    wp.atomic_add(sums, slot, moments)
    if label >= 0:
        count_label(label_slots, label_counts, slot, label, num_votes)


@wp.kernel
def accumulate(
    view: View,
    rules: Rules,
    scratch: Scratch,
    depth_m: wp.array2d(dtype=wp.float32),
    rgb: wp.array3d(dtype=wp.uint8),
    label_index: wp.array2d(dtype=wp.int16),
    map_label: wp.array(dtype=wp.int16),
    depth_sigma_m: wp.array2d(dtype=wp.float32),
    run_px: int,
):
    """Add each used pixel's point to the sums of its cell. `map_label` turns the frame's labels into the map's. Points
    that may lie more than a cell away from where they seem to be are left out.

    A thread takes `run_px` used pixels of a row and adds up neighbours of one cell (and, for labels, of one label)
    before it writes.
    """
    row, run = wp.tid()
    v = view.offset + row * view.stride
    size = view.grid_size
    scale = 1.0 / rules.cell_m
    R = view.R_grid_camera * scale
    t = view.t_grid_camera * scale
    y_camera = (float(v) - view.cy) / view.fy
    inv_fx = 1.0 / view.fx
    patch_side = float(view.stride) * inv_fx * scale
    max_ratio = wp.max(rules.max_edge_ratio, STEEPEST * float(NEIGHBOUR_PX) * inv_fx)
    step = wp.vec3(R[0, 0], R[1, 0], R[2, 0]) * (float(view.stride) * inv_fx)
    last_x = int(-1)
    last_y = int(-1)
    last_z = int(-1)
    last_label = int(NO_LABEL)
    num_votes = int(0)
    total = int(0)
    slot = int(-1)
    first = wp.vec3()
    first_ray = wp.vec3()
    first_m = float(0.0)
    first_column = int(0)
    w0 = float(0.0)
    wa = float(0.0)
    wb = float(0.0)
    waa = float(0.0)
    wab = float(0.0)
    wbb = float(0.0)
    patch = float(0.0)
    k0 = float(0.0)
    kc = float(0.0)
    kcc = float(0.0)
    red = int(0)
    green = int(0)
    blue = int(0)
    num_points = int(0)
    for column in range(run * run_px, wp.min((run + 1) * run_px, view.columns)):
        u = view.offset + column * view.stride
        z = depth_m[v, u]
        if z < rules.min_depth_m or z > rules.max_depth_m:
            continue
        label = int(NO_LABEL)
        if view.has_labels != 0:
            index = int(label_index[v, u])
            if index >= 0:
                label = int(map_label[index])
        if view.has_sigma != 0 and depth_sigma_m[v, u] > rules.cell_m:
            continue
        if label == TRANSIENT or is_flying(depth_m, v, u, z, max_ratio * z):
            continue
        x_camera = (float(u) - view.cx) * inv_fx
        ray = R * wp.vec3(x_camera, y_camera, 1.0)
        p = z * ray + t
        if wp.min(p[0], wp.min(p[1], p[2])) < 0.0:
            continue
        x = int(p[0])
        y = int(p[1])
        zc = int(p[2])
        if x != last_x or y != last_y or zc != last_z:
            if slot >= 0:
                add_run(
                    scratch.sums, scratch.label_slots, scratch.label_counts, slot, first, first_ray, step,
                    wp.vec3(w0, wa, wb), wp.vec3(waa, wab, wbb), patch, wp.vec3(k0, kc, kcc),
                    wp.vec3(float(red), float(green), float(blue)), num_points, last_label, num_votes,
                )  # fmt: skip
                total += num_points
            last_x = x
            last_y = y
            last_z = zc
            last_label = label
            num_votes = int(0)
            w0 = float(0.0)
            wa = float(0.0)
            wb = float(0.0)
            waa = float(0.0)
            wab = float(0.0)
            wbb = float(0.0)
            patch = float(0.0)
            k0 = float(0.0)
            kc = float(0.0)
            kcc = float(0.0)
            red = int(0)
            green = int(0)
            blue = int(0)
            num_points = int(0)
            first = p - wp.vec3(float(x) + 0.5, float(y) + 0.5, float(zc) + 0.5)
            first_ray = ray
            first_m = z
            first_column = column
            slot = int(-1)
            bx = x >> 3
            by = y >> 3
            bz = zc >> 3
            if bx < size[0] and by < size[1] and bz < size[2]:
                candidate = scratch.candidate_of[(bx * size[1] + by) * size[2] + bz]
                if candidate >= 0:
                    cell = candidate * BRICK_CELLS + local_of(x & 7, y & 7, zc & 7)
                    slot = claim_slot(scratch.counters, scratch.slot_of_cell, scratch.touched_cell, cell)
                    if slot >= 0:
                        scratch.candidate_is_hit[candidate] = 1
        if slot < 0:
            continue
        # A frame that says itself how uncertain it is counts no more than the sensor at its best.
        # One division for both: w = (sigma_m / sigma)^2, and k = w * spread / |ray|^2.
        sigma_m = rules.sigma_m + rules.sigma_per_m2 * z * z
        if view.has_sigma != 0:
            sigma_m = wp.max(depth_sigma_m[v, u], rules.sigma_m)
        ray_squared = (x_camera * x_camera + y_camera * y_camera + 1.0) * (scale * scale)
        share = rules.sigma_m * rules.sigma_m / (sigma_m * sigma_m * ray_squared)
        w = share * ray_squared
        side = wp.min(patch_side * z, 1.0)
        spread = side * side * (1.0 / 12.0)
        columns = float(column - first_column)
        a = z - first_m
        b = z * columns
        k = share * spread
        w0 += w
        wa += w * a
        wb += w * b
        waa += w * a * a
        wab += w * a * b
        wbb += w * b * b
        patch += w * spread
        k0 += k
        kc += k * columns
        kcc += k * columns * columns
        if view.has_rgb != 0:
            red += int(rgb[v, u, 0])
            green += int(rgb[v, u, 1])
            blue += int(rgb[v, u, 2])
        num_points += 1
        if label != last_label:
            if last_label >= 0:
                count_label(scratch.label_slots, scratch.label_counts, slot, last_label, num_votes)
            last_label = label
            num_votes = int(0)
        num_votes += 1
    if slot >= 0:
        add_run(
            scratch.sums, scratch.label_slots, scratch.label_counts, slot, first, first_ray, step,
            wp.vec3(w0, wa, wb), wp.vec3(waa, wab, wbb), patch, wp.vec3(k0, kc, kcc),
            wp.vec3(float(red), float(green), float(blue)), num_points, last_label, num_votes,
        )  # fmt: skip
        total += num_points
    if total > 0:
        wp.atomic_add(scratch.counters, NUM_POINTS, total)
