"""Small recordings on disk: a floor and a back wall seen from a camera that moves sideways."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from embodied_mem.geometry import look_at, quaternion_from_pose
from embodied_mem.messages import Detection, Frame, PinholeCamera

CAMERA = PinholeCamera(fx=50.0, fy=50.0, cx=31.5, cy=23.5, width_px=64, height_px=48)
PERIOD_NS = 100_000_000


def room_frame(index: int, *, with_things: bool = False) -> Frame:
    """The view of frame `index`; depth in whole millimetres, so that 16-bit files lose nothing."""
    T = look_at(np.array([0.05 * index, 0.0, 1.5]), np.array([0.05 * index + 3.0, 0.4, 0.9]))
    rows, columns = np.mgrid[0:48, 0:64].astype(np.float64)
    rays = np.stack(
        [(columns - CAMERA.cx) / CAMERA.fx, (rows - CAMERA.cy) / CAMERA.fy, np.ones_like(rows)], axis=-1
    )
    rays = rays @ T[:3, :3].T
    with np.errstate(divide="ignore"):
        floor = np.where(rays[..., 2] < 0, -T[2, 3] / rays[..., 2], np.inf)
        wall = np.where(rays[..., 0] > 0, (4.0 - T[0, 3]) / rays[..., 0], np.inf)
    depth = (np.minimum(floor, wall) * 1000).round().astype(np.uint16) * np.float32(0.001)
    ids = np.where(floor < wall, 1001 + index, 2001 + index).astype(np.int32)
    rgb = np.random.default_rng(index).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    named = (
        Detection(label="mat", instance=1001 + index, score=0.5),
        Detection(label="wall", instance=2001 + index),
    )
    return Frame(
        stamp_ns=1_700_000_000_123_456_789 + index * PERIOD_NS,
        camera=CAMERA,
        T_world_camera=T,
        depth_m=depth,
        rgb=rgb,
        segmentation=ids if with_things else None,
        detections=named if with_things else (),
    )


def write_seven_scenes(folder: Path, num_frames: int, *, T_recorded_world: np.ndarray | None = None) -> Path:
    """A 7-Scenes sequence of `room_frame`s, in a world that is turned by `T_recorded_world`."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savetxt(folder / "camera-intrinsics.txt", CAMERA.matrix)
    for index in range(num_frames):
        frame = room_frame(index)
        stem = folder / f"frame-{index:06d}"
        write_image(stem.with_name(f"{stem.name}.depth.png"), np.rint(frame.depth_m * 1000).astype(np.uint16))
        write_image(stem.with_name(f"{stem.name}.color.png"), frame.rgb[:, :, ::-1])  # type: ignore[index]
        T = (np.eye(4) if T_recorded_world is None else T_recorded_world) @ frame.T_world_camera
        np.savetxt(stem.with_name(f"{stem.name}.pose.txt"), T)
    return folder


def write_tum(folder: Path, num_frames: int) -> Path:
    """A TUM RGB-D sequence of `room_frame`s whose colour comes 5 ms and whose poses come 2 ms after depth."""
    (folder / "rgb").mkdir(parents=True)
    (folder / "depth").mkdir()
    lists: dict[str, list[str]] = {name: ["# a comment"] for name in ("rgb", "depth", "groundtruth")}
    (folder / "camera.txt").write_text("50 50 31.5 23.5")
    for index in range(num_frames):
        frame = room_frame(index)
        write_image(folder / f"depth/{index}.png", np.rint(frame.depth_m * 5000).astype(np.uint16))
        write_image(folder / f"rgb/{index}.png", frame.rgb[:, :, ::-1])  # type: ignore[index]
        lists["depth"].append(f"{seconds(frame.stamp_ns)} depth/{index}.png")
        lists["rgb"].append(f"{seconds(frame.stamp_ns + 5_000_000)} rgb/{index}.png")
        pose = [*frame.T_world_camera[:3, 3], *quaternion_from_pose(frame.T_world_camera)]
        lists["groundtruth"].append(
            f"{seconds(frame.stamp_ns + 2_000_000)} " + " ".join(f"{v:.9f}" for v in pose)
        )
    for name, lines in lists.items():
        (folder / f"{name}.txt").write_text("\n".join(lines))
    return folder


def seconds(stamp_ns: int) -> str:
    return f"{stamp_ns // 10**9}.{stamp_ns % 10**9:09d}"


def write_image(path: Path, image: np.ndarray) -> None:
    assert cv2.imwrite(str(path), image)


def check_same(read: Frame, wanted: Frame, *, pose_m: float = 1e-9, depth_m: float = 1e-6) -> None:
    """Both frames show the same, from the same place."""
    assert read.rgb is not None
    assert wanted.rgb is not None
    assert read.camera == wanted.camera
    np.testing.assert_allclose(read.T_world_camera, wanted.T_world_camera, atol=pose_m)
    np.testing.assert_allclose(read.depth_m, wanted.depth_m, atol=depth_m)
    np.testing.assert_array_equal(read.rgb, wanted.rgb)
