"""Models' outputs become detections: boxes, masks and dense features, in the image's own pixels."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from embodied_mem.errors import ConfigError, InvalidMessage
from embodied_mem.messages import Detection, Frame
from embodied_mem.perception import Perception
from embodied_mem.perception.detectors import (
    detected,
    from_boxes,
    markers,
    ultralytics,
    with_features,
    zero_shot,
)
from embodied_mem.testing.synthetic_room import SyntheticRoom


@pytest.fixture
def frame() -> Frame:
    (one,) = SyntheticRoom(seed=0).frames(1)
    return one


def test_boxes_are_cut_to_the_image_and_empty_ones_left_out() -> None:
    boxes = np.array([[-5.0, 2.0, 20.0, 30.0], [200.0, 0.0, 300.0, 10.0]])
    found = from_boxes(boxes, ["mug", "cup"], [1.3, 0.5], (120, 160))
    assert [(one.label, one.score, one.box_px) for one in found] == [("mug", 1.0, (0.0, 2.0, 20.0, 30.0))]


def test_an_open_vocabulary_pipeline_is_asked_for_the_labels(frame: Frame) -> None:
    asked: dict[str, Any] = {}

    def pipeline(image: Any, **more: Any) -> list[dict[str, Any]]:
        asked.update(more, size=image.size)
        return [{"score": 0.7, "label": "red mug", "box": {"xmin": 60, "ymin": 50, "xmax": 80, "ymax": 75}}]

    found = detected(replace(frame, detections=()), zero_shot(pipeline, ["red mug"], min_score=0.2))
    assert asked == {"candidate_labels": ["red mug"], "threshold": 0.2, "size": (160, 120)}
    assert [(one.label, one.box_px) for one in found.detections] == [("red mug", (60.0, 50.0, 80.0, 75.0))]
    assert len(Perception().perceive(found).instances) == 1


@pytest.mark.parametrize("has_masks", [False, True])
def test_ultralytics_results_give_masks_or_boxes(frame: Frame, has_masks: bool) -> None:
    mask = np.zeros((60, 80), dtype=np.float32)
    mask[10:30, 20:40] = 0.9

    def model(bgr: np.ndarray, **more: Any) -> list[Any]:
        assert frame.rgb is not None
        assert np.array_equal(bgr[..., ::-1], frame.rgb)
        boxes = SimpleNamespace(
            cls=np.array([1.0]), conf=np.array([0.6]), xyxy=np.array([[40.0, 20.0, 80.0, 60.0]])
        )
        masks = SimpleNamespace(data=mask[None]) if has_masks else None
        return [SimpleNamespace(names={1: "cup"}, boxes=boxes, masks=masks)]

    assert frame.rgb is not None
    (one,) = ultralytics(model)(frame.rgb)
    assert (one.label, one.score) == ("cup", 0.6)
    if has_masks:
        assert one.mask is not None
        assert one.mask.shape == (120, 160)
        assert one.mask.sum() == 40 * 40
    else:
        assert one.box_px == (40.0, 20.0, 80.0, 60.0)


def test_a_real_detector_finds_what_it_is_asked_for_through_to_the_percept(frame: Frame) -> None:
    """Two markers are in the picture, one of which stands for a parcel; the other one is nobody's."""
    assert frame.rgb is not None
    dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_APRILTAG_36h11)
    rgb = np.full((120, 160, 3), 255, dtype=np.uint8)
    for number, column in ((7, 10), (8, 90)):
        rgb[40:80, column : column + 40] = cv2.aruco.generateImageMarker(dictionary, number, 40)[..., None]
    seen = detected(replace(frame, rgb=rgb, detections=()), markers({7: "parcel"}))
    assert [one.label for one in seen.detections] == ["parcel"]
    box = seen.detections[0].box_px
    assert box is not None
    assert np.allclose(box, (10, 40, 50, 80), atol=2.0)
    assert [one.label for one in Perception().perceive(seen).instances] == ["parcel"]
    assert detected(replace(frame, detections=()), markers({7: "parcel"})).detections == ()
    with pytest.raises(ConfigError, match="Did you mean 'DICT_APRILTAG_36h11'"):
        markers({}, dictionary="DICT_APRILTAG_36h1")


def test_detections_take_the_mean_of_dense_features(frame: Frame) -> None:
    features = np.zeros((30, 40, 3), dtype=np.float32)
    features[:, :20] = (1.0, 0.0, 0.0)
    features[:, 20:] = (0.0, 2.0, 0.0)
    mask = np.zeros((120, 160), dtype=bool)
    mask[:, :60] = True
    right = Detection(label="right", box_px=(100.0, 0.0, 159.0, 119.0))
    told = with_features(replace(frame, detections=(Detection(label="left", mask=mask), right)), features)
    left_vector, right_vector = (one.embedding for one in told.detections)
    assert left_vector is not None
    assert right_vector is not None
    assert np.allclose(left_vector, (1.0, 0.0, 0.0))
    assert np.allclose(right_vector, (0.0, 1.0, 0.0))
    by_instance = with_features(frame, features)
    floor = next(one for one in by_instance.detections if one.label == "floor")
    assert floor.embedding is not None
    assert abs(float(np.linalg.norm(floor.embedding)) - 1.0) < 1e-6


def test_a_detector_needs_colours(frame: Frame) -> None:
    with pytest.raises(InvalidMessage, match="has no rgb"):
        detected(replace(frame, rgb=None), markers({}))
