"""Where another robot's map lies in ours, when nobody knows how their frames relate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from embodied_mem.errors import AlignmentRefused, MissingExtra
from embodied_mem.geometry import transform
from embodied_mem.layers.occupancy.layer import OccupancyLayer
from embodied_mem.layers.occupancy.snapshot import FREE, MapSnapshot

FEATURE_CELLS, MATCH_CELLS, FINE_CELLS = 6.0, 2.0, 1.0
"""In cells: how far features look, how near matches must lie at first, and at last."""
RANSAC_ITERATIONS = 100_000
BEHIND_CELLS = 1.5
MAX_TILT_RAD = 0.1
"""Both maps have z up: a match that tilts is wrong."""


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """`T_target_source` maps the source's points into the target's world. `overlap` is the share of the source's
    surface that lies on the target's, `contradiction` the share that lies where the target saw free space.
    """

    T_target_source: Float64[np.ndarray, "4 4"]
    overlap: float
    contradiction: float
    rmse_m: float


def align(
    source: OccupancyLayer,
    target: OccupancyLayer,
    *,
    min_overlap: float = 0.4,
    max_contradiction: float = 0.1,
    seed: int = 0,
) -> Alignment:
    """Match features of both surfaces, refine the best match, and judge it by what both maps know.

    Raises:
        AlignmentRefused: the best match overlaps too little, contradicts free space, or tilts.
    """
    o3d = _open3d()
    o3d.utility.random.seed(seed)
    cell_m = target.config.cell_m
    clouds = [_cloud(o3d, layer) for layer in (source, target)]
    if min(len(cloud.points) for cloud in clouds) < 100:
        sizes = [len(cloud.points) for cloud in clouds]
        raise AlignmentRefused(
            f"maps of {sizes} surface points cannot be aligned; at least 100 each are needed. Map more."
        )
    coarse = _match_features(o3d, clouds, cell_m)
    fine = _refine(o3d, clouds, coarse, cell_m)
    T = np.asarray(fine.transformation)
    contradiction = _contradiction(target, T, clouds[0])
    found = Alignment(
        T_target_source=T,
        overlap=float(fine.fitness),
        contradiction=contradiction,
        rmse_m=float(fine.inlier_rmse),
    )
    tilt_rad = float(np.arccos(np.clip(T[2, 2], -1.0, 1.0)))
    if found.overlap < min_overlap or contradiction > max_contradiction or tilt_rad > MAX_TILT_RAD:
        raise AlignmentRefused(
            f"the best match has overlap {found.overlap:.2f} (at least {min_overlap}), contradicts free space at "
            f"{contradiction:.2f} of its surface (at most {max_contradiction}) and tilts by {tilt_rad:.2f} rad (at most "
            f"{MAX_TILT_RAD}). Let the robots see more of the same place, or give their relative pose."
        )
    return found


def _contradiction(target: OccupancyLayer, T: np.ndarray, cloud: Any) -> float:
    """The share of the source's surface points that the target saw through: free there and a cell and a half behind."""
    points = transform(T, np.asarray(cloud.points))
    behind = points - BEHIND_CELLS * target.config.cell_m * (np.asarray(cloud.normals) @ T[:3, :3].T)
    is_free = [target.state_at(one.astype(np.float32)) == FREE for one in (points, behind)]
    return float((is_free[0] & is_free[1]).mean())


def _cloud(o3d: Any, layer: OccupancyLayer) -> Any:
    """The occupied means with normals towards the side that was seen to be free."""
    occupied = layer.snapshot().occupied()
    cloud = o3d.geometry.PointCloud()
    cloud.points = o3d.utility.Vector3dVector(occupied.means_world.astype(np.float64))
    cloud.normals = o3d.utility.Vector3dVector(_normals(occupied, layer))
    return cloud


def _normals(occupied: MapSnapshot, layer: OccupancyLayer) -> np.ndarray:
    full = occupied.covariances_m2[:, [0, 1, 2, 1, 3, 4, 2, 4, 5]].reshape(-1, 3, 3).astype(np.float64)
    normals = np.linalg.eigh(full)[1][:, :, 0]
    beside = occupied.means_world + 1.5 * layer.config.cell_m * normals
    is_outward = layer.state_at(beside.astype(np.float32)) == FREE
    return np.asarray(np.where(is_outward[:, None], normals, -normals))


def _match_features(o3d: Any, clouds: list[Any], cell_m: float) -> Any:
    registration = o3d.pipelines.registration
    search = o3d.geometry.KDTreeSearchParamHybrid(radius=FEATURE_CELLS * cell_m, max_nn=200)
    features = [registration.compute_fpfh_feature(cloud, search) for cloud in clouds]
    distance_m = MATCH_CELLS * cell_m
    checkers = [
        registration.CorrespondenceCheckerBasedOnEdgeLength(0.9),
        registration.CorrespondenceCheckerBasedOnDistance(distance_m),
    ]
    return registration.registration_ransac_based_on_feature_matching(
        *clouds, *features, True, distance_m, registration.TransformationEstimationPointToPoint(False), 3, checkers,
        registration.RANSACConvergenceCriteria(RANSAC_ITERATIONS, 0.9999),
    )  # fmt: skip


def _refine(o3d: Any, clouds: list[Any], coarse: Any, cell_m: float) -> Any:
    registration, found = o3d.pipelines.registration, coarse
    for cells in (MATCH_CELLS, FINE_CELLS):
        found = registration.registration_icp(
            *clouds, cells * cell_m, found.transformation, registration.TransformationEstimationPointToPlane()
        )
    return found


def _open3d() -> Any:
    try:
        import open3d
    except (ImportError, OSError) as error:
        raise MissingExtra(
            "aligning maps needs open3d, which cannot be imported; run `pip install open3d` and, on Debian, "
            "`apt-get install libusb-1.0-0 libgl1`"
        ) from error
    return open3d
