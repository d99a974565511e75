"""Folders in the layout of TUM RGB-D: `rgb.txt`, `depth.txt`, `groundtruth.txt` and the images that they list."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from embodied_mem.errors import EmbodiedMemError, InvalidMessage, UnsupportedEncoding
from embodied_mem.geometry import pose_from_quaternion
from embodied_mem.messages import Frame, PinholeCamera
from embodied_mem.replay.image_files import read_depth_m, read_numbers, read_rgb
from embodied_mem.replay.recording import OnSkip, Recording, Skipped, refuse

COUNTS_PER_M = 5000.0
MAX_APART_NS = 20_000_000
"""Colour and pose may be so far from a depth image; the data set's own tools use the same 0.02 s."""

# fx, fy, cx, cy by camera, from the data set's page; depth is registered to colour.
INTRINSICS = {
    "freiburg1": (517.3, 516.5, 318.6, 255.3),
    "freiburg2": (520.9, 521.0, 325.1, 249.7),
    "freiburg3": (535.4, 539.2, 320.1, 247.6),
    "": (525.0, 525.0, 319.5, 239.5),
}


class TumFolder(Recording):
    """A TUM RGB-D sequence. Intrinsics are those of its camera (freiburg1, 2 or 3 in the folder's name), or of
    `camera.txt` (fx fy cx cy) where there is one.

    Raises:
        UnsupportedEncoding: a list is missing.
        InvalidMessage: a list is damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._depth_ns, self._depth_files = _read_list(self.path / "depth.txt", columns=1)
        self._rgb_ns, self._rgb_files = _read_list(self.path / "rgb.txt", columns=1)
        self._pose_ns, self._poses = _read_list(self.path / "groundtruth.txt", columns=7)
        own = self.path / "camera.txt"
        camera = next(name for name in INTRINSICS if name in self.path.resolve().name)
        self._intrinsics = (
            tuple(read_numbers(own, (1, 4))[0].tolist()) if own.exists() else INTRINSICS[camera]
        )

    @property
    def description(self) -> str:
        return f"{self.path}: TUM RGB-D, {len(self)} depth images, focal length {self._intrinsics[0]:.1f} px"

    def __len__(self) -> int:
        return len(self._depth_ns)

    def frames(self, on_skip: OnSkip = refuse) -> Iterator[Frame]:
        for index in range(len(self)):
            try:
                frame = self._read(index)
            except EmbodiedMemError as error:
                on_skip(Skipped(source=self._depth_files[index][0], error=error))
            else:
                yield frame

    def _read(self, index: int) -> Frame:
        stamp_ns = int(self._depth_ns[index])
        color = self._rgb_files[self._nearest(self._rgb_ns, stamp_ns, "colour image")][0]
        pose_index = self._nearest(self._pose_ns, stamp_ns, "pose")
        try:
            pose = np.array(self._poses[pose_index], dtype=np.float64)
        except ValueError as error:
            raise InvalidMessage(
                f"groundtruth.txt has no numbers at {self._pose_ns[pose_index]} ns ({error})."
            ) from error
        quaternion = pose[3:] / max(float(np.linalg.norm(pose[3:])), 1e-12)
        depth_m = read_depth_m(self.path / self._depth_files[index][0], counts_per_m=COUNTS_PER_M)
        fx, fy, cx, cy = self._intrinsics
        return Frame(
            stamp_ns=stamp_ns,
            camera=PinholeCamera(
                fx=fx, fy=fy, cx=cx, cy=cy, width_px=depth_m.shape[1], height_px=depth_m.shape[0]
            ),
            T_world_camera=pose_from_quaternion(pose[:3], quaternion),
            depth_m=depth_m,
            rgb=read_rgb(self.path / color),
            sensor="kinect",
        )

    def _nearest(self, stamps_ns: Int64[np.ndarray, "n"], stamp_ns: int, what: str) -> int:
        index = int(np.abs(stamps_ns - stamp_ns).argmin())
        apart_ns = abs(int(stamps_ns[index]) - stamp_ns)
        if apart_ns > MAX_APART_NS:
            raise InvalidMessage(
                f"the {what} nearest to the depth image of {stamp_ns} ns is {apart_ns / 1e9:.3f} s away; "
                f"{MAX_APART_NS / 1e9:.2f} s are allowed. The frame cannot be used."
            )
        return index


def _read_list(path: Path, *, columns: int) -> tuple[Int64[np.ndarray, "n"], list[list[str]]]:
    """Stamps and the words after them, by rising stamp; lines that begin with # are comments."""
    if not path.is_file():
        raise UnsupportedEncoding(
            f"{path} is missing; a TUM RGB-D sequence has rgb.txt, depth.txt and groundtruth.txt. Name the folder "
            "that holds them."
        )
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 1 + columns:
            raise InvalidMessage(
                f"{path}, line {number} reads {line!r}; it must have a stamp and {columns} more words. "
                "Copy the recording again."
            )
        rows.append((_stamp_ns(words[0], path, number), words[1 : 1 + columns]))
    if not rows:
        raise InvalidMessage(f"{path} lists nothing; it must have one line per image or pose.")
    rows.sort(key=lambda row: row[0])
    return np.array([stamp for stamp, _ in rows], dtype=np.int64), [words for _, words in rows]


def _stamp_ns(text: str, path: Path, number: int) -> int:
    """Exact nanoseconds of a decimal number of seconds; a float would lose some."""
    seconds, _, fraction = text.partition(".")
    if not (seconds.isdigit() and (fraction.isdigit() or not fraction)):
        raise InvalidMessage(f"{path}, line {number} begins with {text!r}; it must be a stamp in seconds.")
    return int(seconds) * 1_000_000_000 + int(fraction[:9].ljust(9, "0"))
