"""An atlas as named arrays and back: each submap as it saves itself, and where they all are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from embodied_mem.errors import DamagedStore, NewerSchema
from embodied_mem.geometry import check_rigid
from embodied_mem.layers.occupancy._atlas_views import Submap
from embodied_mem.layers.occupancy._saving import CHECKSUM, checksum
from embodied_mem.layers.occupancy.codes import ProductCode
from embodied_mem.layers.occupancy.config import OccupancyConfig
from embodied_mem.layers.occupancy.layer import OccupancyLayer

SCHEMA_VERSION = 1
VERSION = "atlas_schema_version"


def pack(
    own: Sequence[Submap], adopted: Sequence[Submap], num_begun: int, codebook: ProductCode | None
) -> dict[str, np.ndarray]:
    """Named arrays with a checksum over the places of the submaps; each submap's arrays have their own.

    The codebook, which all submaps share, is written once.
    """
    shared = {} if codebook is None else codebook.arrays()
    submaps = [*adopted, *own]
    places: dict[str, np.ndarray] = {
        VERSION: np.array(SCHEMA_VERSION, dtype=np.int32),
        "num_begun": np.array(num_begun, dtype=np.int64),
        "num_adopted": np.array(len(adopted), dtype=np.int64),
        "anchors": np.array([submap.anchor for submap in submaps], dtype=np.int64),
        "begun_ns": np.array([submap.begun_ns for submap in submaps], dtype=np.int64),
        "robots": np.array([submap.robot for submap in submaps], dtype=np.str_),
        "T_world_anchors": np.array([submap.T_world_anchor for submap in submaps]).reshape(-1, 4, 4),
    }
    state = places | shared | {CHECKSUM: checksum(places)}
    for number, submap in enumerate(submaps):
        arrays = submap.layer.state().items()
        state |= {f"submap{number}.{name}": array for name, array in arrays if name not in shared}
    return state


def unpack(
    state: Mapping[str, np.ndarray], config: OccupancyConfig, codebook: ProductCode | None
) -> tuple[list[Submap], list[Submap], int]:
    """What `pack` gave: own submaps, adopted ones and how many were begun; checked whole."""
    if VERSION not in state:  # one map, saved before there were submaps: the oldest, where the world is
        layer = OccupancyLayer(config, codebook)
        layer.load_state(dict(state))
        return [], [Submap(0, np.eye(4), layer)], 1
    try:
        version = int(state[VERSION])
        if version > SCHEMA_VERSION:
            raise NewerSchema(
                f"the atlas has schema {version}; this version reads up to {SCHEMA_VERSION}. Update embodied_mem."
            )
        names = (VERSION, "num_begun", "num_adopted", "anchors", "begun_ns", "robots", "T_world_anchors")
        places = {name: np.asarray(state[name]) for name in names}
        if not np.array_equal(checksum(places), np.asarray(state[CHECKSUM])):
            raise DamagedStore("the places of the submaps do not match their checksum; load another save.")
        submaps = [
            _submap(state, places, number, OccupancyLayer(config, codebook))
            for number in range(len(places["anchors"]))
        ]
    except KeyError as error:
        raise DamagedStore(f"the atlas has no array {error}; load another save.") from error
    num_adopted = int(places["num_adopted"])
    return submaps[num_adopted:], submaps[:num_adopted], int(places["num_begun"])


def _submap(
    state: Mapping[str, np.ndarray], places: Mapping[str, np.ndarray], number: int, layer: OccupancyLayer
) -> Submap:
    prefix = f"submap{number}."
    arrays = {name[len(prefix) :]: array for name, array in state.items() if name.startswith(prefix)}
    codebook = ProductCode.within(state)
    if codebook is not None and "code" in arrays:
        arrays |= codebook.arrays()
    layer.load_state(arrays)
    return Submap(
        anchor=int(places["anchors"][number]),
        T_world_anchor=check_rigid(places["T_world_anchors"][number], "T_world_anchor"),
        layer=layer,
        begun_ns=int(places["begun_ns"][number]),
        robot=str(places["robots"][number]),
    )
