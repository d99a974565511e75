"""The map as named arrays and back: checked whole before anything is changed, equal for equal maps."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embodied_mem.errors import ConfigError, DamagedStore, NewerSchema
from embodied_mem.layers.occupancy._storage import CODE_BYTES, ROW_FORMATS, Rows, canonical
from embodied_mem.layers.occupancy._structures import (
    BRICK_CELLS,
    HAS_GAUSSIAN,
    MAX_LABEL_WEIGHT,
    MAX_WEIGHT,
)
from embodied_mem.layers.occupancy.codes import ProductCode
from embodied_mem.layers.occupancy.config import OccupancyConfig

if TYPE_CHECKING:
    from embodied_mem.layers.occupancy._map import GaussianMap

SCHEMA_VERSION = 2
"""1 had weights in 32 bits, label weights up to 4096 and no checksum."""
COMPARED = ("cell_m", "min_log_odds", "max_log_odds")
"""Options that give the stored numbers their meaning."""
NO_EPOCH = -1
CHECKSUM = "sha256"


@dataclass(frozen=True, kw_only=True)
class SavedMap:
    """A map apart from its device: rows in canonical order, labels, and each robot and sensor's last stamp."""

    rows: Rows
    labels: tuple[str, ...]
    last_stamps: dict[tuple[str, str], int]
    epoch_ns: int | None
    num_evicted: int
    codebook: ProductCode | None = None


def take(
    gaussians: GaussianMap,
    labels: tuple[str, ...],
    last_stamps: dict[tuple[str, str], int],
    codebook: ProductCode | None,
) -> SavedMap:
    """Everything that the map holds."""
    return SavedMap(
        rows=canonical(gaussians.storage.rows()),
        labels=labels,
        last_stamps=dict(last_stamps),
        epoch_ns=gaussians.epoch_ns,
        num_evicted=gaussians.num_evicted,
        codebook=codebook,
    )


def put(saved: SavedMap, gaussians: GaussianMap) -> None:
    """Let the map hold that and nothing else."""
    gaussians.storage.replace_within_budget(saved.rows)
    gaussians.storage.num_evicted += saved.num_evicted
    gaussians.epoch_ns = saved.epoch_ns


def pack(saved: SavedMap, config: OccupancyConfig) -> Rows:
    """The map as named arrays, with its checksum."""
    sensors = sorted(saved.last_stamps)
    state = saved.rows | {
        "schema_version": np.array(SCHEMA_VERSION, dtype=np.int32),
        "options": np.array([getattr(config, name) for name in COMPARED], dtype=np.float64),
        "epoch_ns": np.array(NO_EPOCH if saved.epoch_ns is None else saved.epoch_ns, dtype=np.int64),
        "num_evicted": np.array(saved.num_evicted, dtype=np.int64),
        "label_names": np.array(saved.labels, dtype=np.str_),
        "robots": np.array([robot for robot, _ in sensors], dtype=np.str_),
        "sensors": np.array([sensor for _, sensor in sensors], dtype=np.str_),
        "last_stamps_ns": np.array([saved.last_stamps[key] for key in sensors], dtype=np.int64),
    }
    if saved.codebook is not None:
        state |= saved.codebook.arrays()
    return state | {CHECKSUM: checksum(state)}


def checksum(state: Mapping[str, np.ndarray]) -> np.ndarray:
    """SHA-256 over names, types, shapes and contents."""
    digest = hashlib.sha256()
    for name in sorted(state):
        array = np.ascontiguousarray(state[name])
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return np.frombuffer(digest.digest(), dtype=np.uint8)


def unpack(
    state: Mapping[str, np.ndarray], config: OccupancyConfig, codebook: ProductCode | None
) -> SavedMap:
    """What `pack` gave, checked whole; a map without codes gets empty ones where there is a codebook."""
    try:
        version = int(state["schema_version"])
        if version > SCHEMA_VERSION:
            raise NewerSchema(
                f"the occupancy map has schema {version}; this version reads up to {SCHEMA_VERSION}. Update embodied_mem."
            )
        _check_options(state, config)
        if version >= 2:
            _check_sum(state)
        rows = {name: np.asarray(state[name]) for name in ROW_FORMATS}
        if version < 2:
            rows |= _smaller_weights(rows)
        _check_rows(rows)
        rows |= _codes(state, len(rows["gaussian_cell"]), codebook)
        labels = tuple(str(label) for label in state["label_names"])
        sensors = zip(state["robots"], state["sensors"], state["last_stamps_ns"], strict=True)
        last_stamps = {(str(robot), str(sensor)): int(stamp) for robot, sensor, stamp in sensors}
        epoch_ns, num_evicted = int(state["epoch_ns"]), int(state["num_evicted"])
    except KeyError as error:
        raise DamagedStore(f"the occupancy map has no array {error}; load another save.") from error
    if len(rows["labels"]) and int(rows["labels"].max()) >= len(labels):
        raise _damaged(f"a Gaussian has label {int(rows['labels'].max())} of {len(labels)}")
    epoch = None if epoch_ns == NO_EPOCH else epoch_ns
    return SavedMap(
        rows=rows, labels=labels, last_stamps=last_stamps, epoch_ns=epoch, num_evicted=num_evicted,
        codebook=codebook,
    )  # fmt: skip


def _codes(state: Mapping[str, np.ndarray], num_gaussians: int, codebook: ProductCode | None) -> Rows:
    if codebook is None:
        if "code" in state:
            raise ConfigError(
                "the saved map has codes; give the layer the codebook that they were made with."
            )
        return {}
    if "code" not in state:
        return {"code": np.zeros((num_gaussians, CODE_BYTES), dtype=np.uint8)}
    if not codebook.is_same(ProductCode.of_arrays(state)):
        raise ConfigError(
            "the saved map's codes were made with another codebook; ProductCode.of_arrays(state) is the right one."
        )
    codes = np.asarray(state["code"])
    if codes.dtype != np.uint8 or codes.shape != (num_gaussians, CODE_BYTES):
        raise _damaged(f"code is {codes.dtype} of shape {codes.shape}")
    return {"code": codes}


def _check_sum(state: Mapping[str, np.ndarray]) -> None:
    covered = {name: np.asarray(array) for name, array in state.items() if name != CHECKSUM}
    if not np.array_equal(checksum(covered), np.asarray(state[CHECKSUM])):
        raise _damaged("its contents do not match their checksum")


def _smaller_weights(rows: Rows) -> Rows:
    """The weights of schema 1 as schema 2 has them; the shares of labels stay."""
    votes = rows["label_weights"].astype(np.float64)
    scale = np.minimum(MAX_LABEL_WEIGHT / np.maximum(votes.max(axis=1, keepdims=True), 1.0), 1.0)
    return {
        "weight": np.minimum(rows["weight"], MAX_WEIGHT).astype(np.float16),
        "label_weights": np.ceil(votes * scale).astype(np.uint8),
    }


def _check_options(state: Mapping[str, np.ndarray], config: OccupancyConfig) -> None:
    for name, saved in zip(COMPARED, np.asarray(state["options"]).tolist(), strict=True):
        present = getattr(config, name)
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
