"""Keyframes chosen while frames come in, within a byte budget: where views surprise, and where their way bends.

A view is described by a coarse grid of its pixels. Surprise is how far it lies from what the recent views lead one to
expect; curvature is how sharply the path of views turns. Either one stands out when it exceeds its own running mean by some
standard deviations (as event segmentation by surprise does). When the bytes are spent, the view goes that matters least:
its weight times its distance to its neighbours in time.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from embodied_mem.errors import ConfigError
from embodied_mem.messages import EntityId, Frame

GRID = 12
SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class KeyframeConfig:
    """How keyframes are chosen and kept.

    Attributes:
        max_bytes: of all kept pictures together; 0 keeps none.
        side_px: the longer side of a kept picture.
        jpeg_quality: 1 to 100.
        sigmas: how many standard deviations above its mean a surprise or a bend stands out.
        memory_s: in how many seconds what is expected follows what is seen.
        min_gap_s: the least time between two keyframes of a camera.
    """

    max_bytes: int = 8 * 2**20
    side_px: int = 224
    jpeg_quality: int = 85
    sigmas: float = 2.0
    memory_s: float = 2.0
    min_gap_s: float = 0.5

    def __post_init__(self) -> None:
        if self.max_bytes < 0 or self.side_px < 8 or not 1 <= self.jpeg_quality <= 100 or self.memory_s <= 0:
            raise ConfigError(
                f"keyframes: max_bytes {self.max_bytes} (at least 0), side_px {self.side_px} (at least 8), jpeg_quality "
                f"{self.jpeg_quality} (1..100), memory_s {self.memory_s} (above 0); one of them is out of its range."
            )


@dataclass(frozen=True, kw_only=True)
class KeptView:
    """One keyframe as it is kept."""

    stamp_ns: int
    source: str
    jpeg: bytes
    seen: tuple[EntityId, ...]
    weight: float
    grid: Float32[np.ndarray, "g"] = field(repr=False)

    @property
    def num_bytes(self) -> int:
        return len(self.jpeg) + self.grid.nbytes

    def image(self) -> UInt8[np.ndarray, "h w 3"]:
        """The picture, RGB."""
        decoded = cv2.imdecode(np.frombuffer(self.jpeg, dtype=np.uint8), cv2.IMREAD_COLOR)
        return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), dtype=np.uint8)


class _Running:
    """Mean and deviation of what a camera shows, forgetting the past."""

    def __init__(self) -> None:
        self.mean, self.variance, self.count = 0.0, 0.0, 0

    def sigmas_above(self, value: float) -> float:
        """By how many deviations `value` exceeds the mean; 0 while too little was seen to say."""
        if self.count < 5:
            return 0.0
        return (value - self.mean) / math.sqrt(self.variance + 1e-8 + 1e-4 * self.mean**2)

    def add(self, value: float) -> None:
        self.count += 1
        share = max(0.05, 1.0 / self.count)
        off = value - self.mean
        self.mean += share * off
        self.variance = (1 - share) * (self.variance + share * off * off)


class _Stream:
    """What one camera led one to expect."""

    def __init__(self, grid: Float32[np.ndarray, "g"], stamp_ns: int) -> None:
        self.expected, self.last, self.step = grid.copy(), grid, np.zeros_like(grid)
        self.stamp_ns = self.kept_ns = stamp_ns
        self.surprises, self.bends = _Running(), _Running()

    def take(self, grid: Float32[np.ndarray, "g"], stamp_ns: int, memory_s: float) -> tuple[float, float]:
        """How much a view surprises and bends the path, in deviations."""
        surprise = float(np.linalg.norm(grid - self.expected))
        step = grid - self.last
        lengths = float(np.linalg.norm(step)) * float(np.linalg.norm(self.step))
        bend = (1.0 - float(step @ self.step) / lengths) * math.sqrt(lengths) if lengths > 1e-12 else 0.0
        found = self.surprises.sigmas_above(surprise), self.bends.sigmas_above(bend)
        self.surprises.add(surprise)
        self.bends.add(bend)
        share = 1.0 - math.exp(-(stamp_ns - self.stamp_ns) / 1e9 / memory_s)
        self.expected += np.float32(share) * (grid - self.expected)
        self.last, self.step, self.stamp_ns = grid, step, stamp_ns
        return found


class KeyframeAlbum:
    """The kept views of all cameras, oldest first; never more bytes than its config allows.

    `views` is replaced, never changed: who reads it waits for nobody.
    """

    def __init__(self, config: KeyframeConfig = KeyframeConfig()) -> None:
        self.config = config
        self.views: tuple[KeptView, ...] = ()
        self.num_bytes = 0
        self._changing = threading.RLock()
        self._streams: dict[tuple[str, str], _Stream] = {}

    def offer(self, frame: Frame, seen: tuple[EntityId, ...]) -> bool:
        """Keep a frame if it stands out; whether it was. Frames without colour and late ones are passed by."""
        if frame.rgb is None or self.config.max_bytes == 0:
            return False
        grid = _grid(frame.rgb)
        with self._changing:
            weight = self._weight(frame, grid)
            if weight is not None:
                self._keep(frame, seen, grid, weight=weight)
        return weight is not None

    def forget(self, entity_id: EntityId) -> None:
        """Drop every view in which an entity was seen."""
        with self._changing:
            self._replace(view for view in self.views if entity_id not in view.seen)

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything kept, to be saved."""
        views = self.views
        payload = b"".join(view.jpeg for view in views)
        return {
            "schema_version": np.array(SCHEMA_VERSION), "jpegs": np.frombuffer(payload, dtype=np.uint8).copy(),
            "sizes": np.array([len(view.jpeg) for view in views], dtype=np.int64),
            "stamps_ns": np.array([view.stamp_ns for view in views], dtype=np.int64),
            "sources": np.array([view.source for view in views], dtype=np.str_),
            "seen": np.array([" ".join(view.seen) for view in views], dtype=np.str_),
            "weights": np.array([view.weight for view in views]),
            "grids": np.array([view.grid for view in views], dtype=np.float32).reshape(len(views), GRID * GRID * 3),
        }  # fmt: skip

    def load(self, arrays: dict[str, np.ndarray]) -> None:
        """What `arrays` gave, instead of what is kept now."""
        ends = np.concatenate([[0], np.cumsum(arrays["sizes"])])
        payload = arrays["jpegs"].tobytes()
        views = [
            KeptView(
                stamp_ns=int(stamp), source=str(source), jpeg=payload[int(ends[i]) : int(ends[i + 1])],
                seen=tuple(str(arrays["seen"][i]).split()), weight=float(arrays["weights"][i]), grid=arrays["grids"][i],
            )
            for i, (stamp, source) in enumerate(zip(arrays["stamps_ns"], arrays["sources"], strict=True))
        ]  # fmt: skip
        with self._changing:
            self._replace(views)

    def _weight(self, frame: Frame, grid: Float32[np.ndarray, "g"]) -> float | None:
        """By how much a frame stands out among those of its camera; None when it does not."""
        stream = self._streams.get((frame.robot, frame.sensor))
        if stream is None:
            self._streams[frame.robot, frame.sensor] = _Stream(grid, frame.stamp_ns)
            return self.config.sigmas
        if frame.stamp_ns <= stream.stamp_ns:
            return None
        weight = max(stream.take(grid, frame.stamp_ns, self.config.memory_s))
        if weight < self.config.sigmas or frame.stamp_ns - stream.kept_ns < self.config.min_gap_s * 1e9:
            return None
        stream.kept_ns = frame.stamp_ns
        return weight

    def _keep(self, frame: Frame, seen: tuple[EntityId, ...], grid: np.ndarray, *, weight: float) -> None:
        assert frame.rgb is not None
        source = f"{frame.robot}/{frame.sensor}/{frame.stamp_ns}"
        jpeg = _jpeg(frame.rgb, self.config.side_px, self.config.jpeg_quality)
        view = KeptView(
            stamp_ns=frame.stamp_ns, source=source, jpeg=jpeg, seen=seen, weight=max(weight, 0.1), grid=grid
        )
        views = [*self.views, view]
        num_bytes = self.num_bytes + view.num_bytes
        while num_bytes > self.config.max_bytes and views:
            num_bytes -= views.pop(_least(views)).num_bytes
        self._replace(views)

    def _replace(self, views: Iterable[KeptView]) -> None:
        self.views = tuple(views)
        self.num_bytes = sum(view.num_bytes for view in self.views)


def _least(views: Sequence[KeptView]) -> int:
    """The view that is missed least: light, and much like the ones before and after it."""
    if len(views) < 3:
        return 0
    grids = np.array([view.grid for view in views])
    gaps = np.linalg.norm(np.diff(grids, axis=0), axis=1)
    novelty = np.minimum(np.append(gaps, np.inf), np.insert(gaps, 0, np.inf))
    return int(np.argmin(novelty * np.array([view.weight for view in views])))


def _grid(rgb: UInt8[np.ndarray, "h w 3"]) -> Float32[np.ndarray, "g"]:
    rows = np.linspace(0, rgb.shape[0] - 1, GRID).astype(np.intp)
    columns = np.linspace(0, rgb.shape[1] - 1, GRID).astype(np.intp)
    return np.asarray(rgb[rows[:, None], columns].astype(np.float32).ravel() / 255.0 / GRID)


def _jpeg(rgb: UInt8[np.ndarray, "h w 3"], side_px: int, quality: int) -> bytes:
    scale = min(1.0, side_px / max(rgb.shape[:2]))
    size = max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) if scale < 1.0 else rgb
    ok, encoded = cv2.imencode(
        ".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    assert ok, "cv2 encodes every uint8 image as JPEG"
    return encoded.tobytes()
