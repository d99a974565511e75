"""The map as named arrays and back: checked whole before anything is changed, equal for equal maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from embodied_mem.errors import ConfigError, DamagedStore, NewerSchema
from embodied_mem.layers.occupancy._storage import ROW_FORMATS, Rows, canonical
from embodied_mem.layers.occupancy._structures import BRICK_CELLS, HAS_GAUSSIAN

if TYPE_CHECKING:
    from embodied_mem.layers.occupancy._map import GaussianMap

SCHEMA_VERSION = 1
COMPARED = ("cell_m", "min_log_odds", "max_log_odds")
"""Options that give the stored numbers their meaning."""
NO_EPOCH = -1


def pack(gaussians: GaussianMap, labels: tuple[str, ...], last_stamps: dict[tuple[str, str], int]) -> Rows:
    """Everything, bricks by coordinate and Gaussians by cell."""
    sensors = sorted(last_stamps)
    config = gaussians.config
    return canonical(gaussians.storage.rows()) | {
        "schema_version": np.array(SCHEMA_VERSION, dtype=np.int32),
        "options": np.array([getattr(config, name) for name in COMPARED], dtype=np.float64),
        "epoch_ns": np.array(NO_EPOCH if gaussians.epoch_ns is None else gaussians.epoch_ns, dtype=np.int64),
        "num_evicted": np.array(gaussians.num_evicted, dtype=np.int64),
        "label_names": np.array(labels, dtype=np.str_),
        "robots": np.array([robot for robot, _ in sensors], dtype=np.str_),
        "sensors": np.array([sensor for _, sensor in sensors], dtype=np.str_),
        "last_stamps_ns": np.array([last_stamps[key] for key in sensors], dtype=np.int64),
    }


def unpack(
    state: Mapping[str, np.ndarray], gaussians: GaussianMap
) -> tuple[tuple[str, ...], dict[tuple[str, str], int]]:
    """Put `state` into the map; its labels and last stamps come back."""
    try:
        version = int(state["schema_version"])
        if version > SCHEMA_VERSION:
            raise NewerSchema(
                f"the occupancy map has schema {version}; this version reads up to {SCHEMA_VERSION}. Update embodied_mem."
            )
        _check_options(state, gaussians)
        rows = {name: np.asarray(state[name]) for name in ROW_FORMATS}
        _check_rows(rows)
        labels = tuple(str(label) for label in state["label_names"])
        sensors = zip(state["robots"], state["sensors"], state["last_stamps_ns"], strict=True)
        last_stamps = {(str(robot), str(sensor)): int(stamp) for robot, sensor, stamp in sensors}
        epoch_ns, num_evicted = int(state["epoch_ns"]), int(state["num_evicted"])
    except KeyError as error:
        raise DamagedStore(f"the occupancy map has no array {error}; load another save.") from error
    if len(rows["labels"]) and int(rows["labels"].max()) >= len(labels):
        raise _damaged(f"a Gaussian has label {int(rows['labels'].max())} of {len(labels)}")
    gaussians.storage.replace_within_budget(rows)
    gaussians.storage.num_evicted += num_evicted
    gaussians.epoch_ns = None if epoch_ns == NO_EPOCH else epoch_ns
    return labels, last_stamps


def _check_options(state: Mapping[str, np.ndarray], gaussians: GaussianMap) -> None:
    for name, saved in zip(COMPARED, np.asarray(state["options"]).tolist(), strict=True):
        present = getattr(gaussians.config, name)
        if saved != present:
            raise ConfigError(
                f"the saved map was made with occupancy.{name}={saved}, this one has {present}; its numbers would mean "
                f"something else. Set occupancy.{name}={saved} to load it."
            )


def _check_rows(rows: Rows) -> None:
    num_bricks, num_gaussians = len(rows["brick_coord"]), len(rows["gaussian_cell"])
    for name, (dtype, tail, owner) in ROW_FORMATS.items():
        shape = (num_bricks if owner == "brick" else num_gaussians, *tail)
        if rows[name].dtype != dtype or rows[name].shape != shape:
            raise _damaged(
                f"{name} is {rows[name].dtype} of shape {rows[name].shape}, not {dtype} of shape {shape}"
            )
    has_gaussian = np.flatnonzero(rows["cells"].reshape(-1) >= HAS_GAUSSIAN)
    if not np.array_equal(np.sort(rows["gaussian_cell"]), has_gaussian):
        raise _damaged(f"{num_gaussians} Gaussians do not match the {len(has_gaussian)} cells that have one")
    if len(np.unique(rows["brick_coord"], axis=0)) != num_bricks or num_bricks * BRICK_CELLS >= 2**31:
        raise _damaged("bricks share a coordinate")


def _damaged(what: str) -> DamagedStore:
    return DamagedStore(f"the occupancy map cannot be read: {what}. Nothing was changed; load another save.")
