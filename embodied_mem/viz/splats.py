"""The map for other programs: 3D Gaussian splats as common viewers open them, and point clouds through open3d."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from embodied_mem.errors import DamagedStore, MissingExtra, UnsupportedEncoding
from embodied_mem.layers.occupancy import MapSnapshot

SH_0 = 0.28209479177387814
"""The constant spherical harmonic: colour = 0.5 + SH_0 * f_dc."""
FIELDS = (
    "x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity",
    "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3",
)  # fmt: skip
CLOUD_SUFFIXES = (".pcd", ".ply", ".xyz")


def splat_ply(snapshot: MapSnapshot) -> bytes:
    """The occupied Gaussians as the PLY of 3D Gaussian Splatting: log scales, quaternion (w, x, y, z), logit opacity."""
    occupied = snapshot.occupied()
    rows = np.zeros((len(occupied), len(FIELDS)), dtype="<f4")
    variances, axes = _principal_axes(occupied.covariances_m2)
    rows[:, 0:3] = occupied.means_world
    rows[:, 3:6] = axes[:, :, 0]  # the thinnest axis is the surface's normal
    rows[:, 6:9] = (occupied.color_rgb / 255.0 - 0.5) / SH_0
    probability = np.clip(occupied.occupancy.astype(np.float64), 1e-6, 1.0 - 1e-6)
    rows[:, 9] = np.log(probability / (1.0 - probability))
    rows[:, 10:13] = 0.5 * np.log(variances)
    rows[:, 13:17] = _quaternions_wxyz(axes)
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(rows)}"]
    header += [*(f"property float {field}" for field in FIELDS), "end_header", ""]
    return "\n".join(header).encode("ascii") + rows.tobytes()


def read_splat_ply(
    data: bytes,
) -> tuple[
    Float32[np.ndarray, "n 3"], Float32[np.ndarray, "n 6"], UInt8[np.ndarray, "n 3"], Float32[np.ndarray, "n"]
]:
    """Means (m), covariances (xx, xy, xz, yy, yz, zz; m2), colours and opacities of a 3DGS PLY, ours or another's.

    Raises:
        UnsupportedEncoding: not a binary little-endian PLY with the fields of 3D Gaussian Splatting.
        DamagedStore: it ends before its last vertex.
    """
    head, found, body = data.partition(b"end_header\n")
    lines = head.decode("ascii", errors="replace").splitlines()
    names = [line.split()[-1] for line in lines if line.startswith("property float ")]
    missing = [field for field in FIELDS if field not in names and field not in ("nx", "ny", "nz")]
    if not found or "format binary_little_endian 1.0" not in lines or missing:
        raise UnsupportedEncoding(
            f"not a splat PLY that can be read: binary little-endian with float fields is needed, missing {missing}. "
            "Export it again with spherical harmonics of degree 0 or more."
        )
    number = next(int(line.split()[-1]) for line in lines if line.startswith("element vertex"))
    if len(body) < 4 * len(names) * number:
        raise DamagedStore(
            f"the splat PLY ends early: {len(body)} of {4 * len(names) * number} bytes. Copy or export it again."
        )
    table = np.frombuffer(body, dtype="<f4", count=number * len(names)).reshape(number, len(names))
    column = {name: table[:, i].astype(np.float64) for i, name in enumerate(names)}
    axes = _rotations(np.stack([column[f"rot_{i}"] for i in range(4)], axis=1))
    variances = np.exp(2.0 * np.stack([column[f"scale_{i}"] for i in range(3)], axis=1))
    full = np.einsum("nij,nj,nkj->nik", axes, variances, axes)
    upper = full[:, *np.triu_indices(3)]
    colors = 255.0 * (0.5 + SH_0 * np.stack([column[f"f_dc_{i}"] for i in range(3)], axis=1))
    return (
        np.stack([column[a] for a in "xyz"], axis=1).astype(np.float32),
        upper.astype(np.float32),
        np.clip(np.rint(colors), 0, 255).astype(np.uint8),
        (1.0 / (1.0 + np.exp(-column["opacity"]))).astype(np.float32),
    )


def write_cloud(snapshot: MapSnapshot, path: Path) -> int:
    """The occupied Gaussians' means with colours and normals through open3d; how many there are.

    Raises:
        UnsupportedEncoding: a suffix other than CLOUD_SUFFIXES.
    """
    if path.suffix not in CLOUD_SUFFIXES:
        raise UnsupportedEncoding(
            f"cannot write a point cloud to {path.name!r}: the suffix must be one of {CLOUD_SUFFIXES}. Rename it."
        )
    o3d, occupied = _open3d(), snapshot.occupied()
    cloud = o3d.geometry.PointCloud()
    cloud.points = o3d.utility.Vector3dVector(occupied.means_world.astype(np.float64))
    cloud.colors = o3d.utility.Vector3dVector(occupied.color_rgb / 255.0)
    cloud.normals = o3d.utility.Vector3dVector(_principal_axes(occupied.covariances_m2)[1][:, :, 0])
    if not o3d.io.write_point_cloud(str(path), cloud):
        raise UnsupportedEncoding(f"open3d could not write {path}; is its folder there, and writable?")
    return len(occupied)


def read_cloud(path: Path) -> tuple[Float32[np.ndarray, "n 3"], UInt8[np.ndarray, "n 3"]]:
    """The points and colours (grey where it has none) of a PLY, PCD or XYZ point cloud, through open3d.

    Raises:
        UnsupportedEncoding: a suffix other than CLOUD_SUFFIXES, or a file in which open3d finds no points.
    """
    if path.suffix not in CLOUD_SUFFIXES:
        raise UnsupportedEncoding(
            f"cannot read a point cloud from {path.name!r}: the suffix must be one of {CLOUD_SUFFIXES}. Rename it."
        )
    cloud = _open3d().io.read_point_cloud(str(path))
    points = np.asarray(cloud.points, dtype=np.float32).reshape(-1, 3)
    if len(points) == 0:
        raise UnsupportedEncoding(f"open3d found no points in {path}; is it whole, and a point cloud?")
    colors = np.asarray(cloud.colors).reshape(-1, 3)
    if len(colors) != len(points):
        colors = np.full((len(points), 3), 128 / 255.0)
    return points, np.clip(np.rint(colors * 255.0), 0, 255).astype(np.uint8)


def _principal_axes(
    covariances_m2: Float32[np.ndarray, "n 6"],
) -> tuple[Float64[np.ndarray, "n 3"], Float64[np.ndarray, "n 3 3"]]:
    """Variances in rising order, and right-handed axes as columns."""
    full = covariances_m2[:, [0, 1, 2, 1, 3, 4, 2, 4, 5]].reshape(-1, 3, 3).astype(np.float64)
    variances, axes = np.linalg.eigh(full)
    axes[:, :, 2] *= np.sign(np.linalg.det(axes))[:, None]
    return np.maximum(variances, 1e-12), axes


def _quaternions_wxyz(R: Float64[np.ndarray, "n 3 3"]) -> Float64[np.ndarray, "n 4"]:
    from scipy.spatial.transform import Rotation

    if len(R) == 0:
        return np.zeros((0, 4))
    return np.asarray(Rotation.from_matrix(R).as_quat()[:, [3, 0, 1, 2]])


def _rotations(quaternions_wxyz: Float64[np.ndarray, "n 4"]) -> Float64[np.ndarray, "n 3 3"]:
    from scipy.spatial.transform import Rotation

    if len(quaternions_wxyz) == 0:
        return np.zeros((0, 3, 3))
    return np.asarray(Rotation.from_quat(quaternions_wxyz[:, [1, 2, 3, 0]]).as_matrix())


def _open3d() -> Any:
    try:
        import open3d
    except (ImportError, OSError) as error:
        raise MissingExtra(
            "writing this point cloud needs open3d, which cannot be imported; run `pip install open3d` and, on Debian, "
            "`apt-get install libusb-1.0-0 libgl1`"
        ) from error
    return open3d
