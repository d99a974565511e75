"""Habitat's semantic ids as our panoptic ones."""

import warnings

import numpy as np
import pytest

from embodied_mem.envs.frames import ID_DIVISOR, detections_of
from embodied_mem.envs.habitat.semantics import SemanticMap

INSTANCES = [
    {"semantic_id": 3, "category": "chair", "region": "kitchen"},
    {"semantic_id": 7, "category": "chair", "region": "hall"},
    {"semantic_id": 9, "category": "", "region": ""},
]


def test_each_instance_gets_an_id_of_its_own_below_its_category():
    semantics = SemanticMap(INSTANCES)
    seen = semantics.panoptic(np.array([[3, 7], [9, 0]]))
    assert len(set(seen.ravel().tolist())) == 4
    assert seen[1, 1] == 0
    labels = sorted(one.label for one in detections_of(seen, semantics.category_names))
    assert labels == ["chair", "chair", "unknown"]
    assert semantics.region_of(7) == "hall"
    assert semantics.category_of(3) == "chair"


def test_ids_that_no_object_has_become_void_with_one_warning():
    semantics = SemanticMap(INSTANCES)
    with pytest.warns(UserWarning, match=r"\[5, 4000\].*linear"):
        seen = semantics.panoptic(np.array([[5, 4000, 3]]))
    assert seen[0, 0] == seen[0, 1] == 0
    assert seen[0, 2] > 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        semantics.panoptic(np.array([[5, 3]]))


def test_shuffled_ids_keep_the_category_and_tell_instances_apart():
    semantics = SemanticMap(INSTANCES)
    picture = np.array([[3, 7, 3]])
    drawn = [semantics.panoptic(picture, np.random.default_rng(seed)) for seed in range(5)]
    assert len({tuple(one.ravel()) for one in drawn}) > 1
    for one in drawn:
        assert one[0, 0] == one[0, 2] != one[0, 1]
        assert semantics.category_names[one[0, 0] // ID_DIVISOR] == "chair"


def test_what_is_added_is_named():
    semantics = SemanticMap(INSTANCES)
    number = semantics.next_free_id()
    semantics.add(number, "vase")
    seen = semantics.panoptic(np.array([[number]]))
    assert detections_of(seen, semantics.category_names)[0].label == "vase"
