"""From detectors' outputs to detections: adapters for common models, and for dense features.

A detector is anything that takes an RGB image and gives `Detection`s. Models are handed in, already loaded, so that nothing
here downloads weights or imports a framework; `markers` needs none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from embodied_mem.errors import ConfigError, InvalidMessage, did_you_mean
from embodied_mem.messages import Detection, Frame

Detector = Callable[[UInt8[np.ndarray, "h w 3"]], Sequence[Detection]]


def detected(frame: Frame, detector: Detector) -> Frame:
    """The frame with what a detector finds in its colours, beside the detections it already has.

    Raises:
        InvalidMessage: the frame has no colours.
    """
    if frame.rgb is None:
        raise InvalidMessage(f"frame {frame.stamp_ns} has no rgb; a detector needs colours.")
    return replace(frame, detections=(*frame.detections, *detector(frame.rgb)))


def from_boxes(
    boxes_px: np.ndarray, labels: Sequence[str], scores: Sequence[float], size_px: tuple[int, int]
) -> tuple[Detection, ...]:
    """Detections of (u_min, v_min, u_max, v_max) rows, cut to an image of (height, width); empty boxes are left out."""
    height, width = size_px
    found = []
    for row, label, score in zip(
        np.asarray(boxes_px, dtype=float).reshape(-1, 4), labels, scores, strict=True
    ):
        u0, v0, u1, v1 = np.clip(row, 0.0, [width, height, width, height]).tolist()
        if u1 - u0 >= 1.0 and v1 - v0 >= 1.0:
            found.append(
                Detection(label=label, score=float(np.clip(score, 0.0, 1.0)), box_px=(u0, v0, u1, v1))
            )
    return tuple(found)


def zero_shot(pipeline: Callable[..., Any], labels: Sequence[str], *, min_score: float = 0.1) -> Detector:
    """An open-vocabulary detector of transformers: `pipeline("zero-shot-object-detection", model=...)` (OWL-ViT, Grounding
    DINO), asked for these labels.
    """

    def detect(rgb: UInt8[np.ndarray, "h w 3"]) -> tuple[Detection, ...]:
        from PIL import Image

        found = pipeline(Image.fromarray(rgb), candidate_labels=list(labels), threshold=min_score)
        boxes = [[one["box"][key] for key in ("xmin", "ymin", "xmax", "ymax")] for one in found]
        names, scores = [str(one["label"]) for one in found], [float(one["score"]) for one in found]
        height, width = rgb.shape[:2]
        return from_boxes(np.array(boxes), names, scores, (height, width))

    return detect


def ultralytics(model: Callable[..., Any], *, min_score: float = 0.25) -> Detector:
    """A model of ultralytics (YOLO, YOLO-World, YOLOE): masks where it has them, else boxes."""

    def detect(rgb: UInt8[np.ndarray, "h w 3"]) -> tuple[Detection, ...]:
        (result,) = model(np.ascontiguousarray(rgb[..., ::-1]), conf=min_score, verbose=False)
        names: Mapping[int, str] = result.names
        labels = [names[int(index)] for index in _array(result.boxes.cls)]
        scores = _array(result.boxes.conf).tolist()
        height, width = rgb.shape[:2]
        if result.masks is None:
            return from_boxes(_array(result.boxes.xyxy), labels, scores, (height, width))
        masks = _array(result.masks.data) > 0.5
        return tuple(
            Detection(label=label, score=float(score), mask=_resized(mask, (height, width)))
            for label, score, mask in zip(labels, scores, masks, strict=True)
        )

    return detect


def markers(labels: Mapping[int, str], *, dictionary: str = "DICT_APRILTAG_36h11") -> Detector:
    """OpenCV's detector of printed markers (ArUco, AprilTag), which needs no weights: marker numbers name what they stick
    on; others are ignored.

    Raises:
        ConfigError: OpenCV knows no such dictionary.
    """
    import cv2

    known = [name for name in dir(cv2.aruco) if name.startswith("DICT_")]
    if dictionary not in known:
        raise ConfigError(
            f"no marker dictionary {dictionary!r}; have {known}.{did_you_mean(dictionary, known)}"
        )
    finder = cv2.aruco.ArucoDetector(cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, dictionary)))

    def detect(rgb: UInt8[np.ndarray, "h w 3"]) -> tuple[Detection, ...]:
        corners, numbers, _ = finder.detectMarkers(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))
        named = [
            (labels[int(number)], np.asarray(points).reshape(4, 2))
            for points, number in zip(corners, () if numbers is None else np.ravel(numbers), strict=True)
            if int(number) in labels
        ]
        boxes = [[*points.min(axis=0), *points.max(axis=0)] for _, points in named]
        return from_boxes(
            np.array(boxes), [label for label, _ in named], [1.0] * len(named), (rgb.shape[0], rgb.shape[1])
        )

    return detect


def with_features(frame: Frame, features: Float32[np.ndarray, "fh fw d"]) -> Frame:
    """The frame with each detection's mean of dense features (CLIP-DINOiser, DINOv2, ...) as its embedding.

    Features may be coarser than the image. Detections that cover no cell's middle keep what they have.
    """
    height, width = frame.camera.height_px, frame.camera.width_px
    rows = ((np.arange(features.shape[0]) + 0.5) * height / features.shape[0]).astype(int)
    columns = ((np.arange(features.shape[1]) + 0.5) * width / features.shape[1]).astype(int)
    grid = np.ix_(rows, columns)
    found = []
    for detection in frame.detections:
        mean = features[_covers(detection, frame, rows, columns, grid)].mean(axis=0, dtype=np.float64)
        is_told = bool(np.isfinite(mean).all()) and float(np.linalg.norm(mean)) > 0.0
        embedding = (mean / np.linalg.norm(mean)).astype(np.float32) if is_told else detection.embedding
        found.append(replace(detection, embedding=embedding))
    return replace(frame, detections=tuple(found))


def _covers(
    detection: Detection, frame: Frame, rows: np.ndarray, columns: np.ndarray, grid: tuple[Any, ...]
) -> np.ndarray:
    """Which cells of the features' grid a detection covers."""
    if detection.mask is not None:
        return np.asarray(detection.mask[grid])
    if detection.box_px is not None:
        u0, v0, u1, v1 = detection.box_px
        return np.asarray(
            ((rows >= v0) & (rows <= v1))[:, None] & ((columns >= u0) & (columns <= u1))[None, :]
        )
    if frame.segmentation is None:
        raise InvalidMessage(
            f"detection {detection.label!r} names instance {detection.instance}, but frame {frame.stamp_ns} has no "
            "segmentation."
        )
    return np.asarray(frame.segmentation[grid] == detection.instance)


def _array(tensor: Any) -> np.ndarray:
    return np.asarray(tensor.cpu().numpy() if hasattr(tensor, "cpu") else tensor)


def _resized(mask: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    rows = ((np.arange(size_px[0]) + 0.5) * mask.shape[0] / size_px[0]).astype(int)
    columns = ((np.arange(size_px[1]) + 0.5) * mask.shape[1] / size_px[1]).astype(int)
    return np.ascontiguousarray(mask[np.ix_(rows, columns)]).astype(bool)
