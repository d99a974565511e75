"""What the place looks like: an online map of 3D semantic Gaussians, with free and unknown space kept apart."""

from embodied_mem.layers.occupancy.atlas import AtlasConfig, SubmapAtlas
from embodied_mem.layers.occupancy.codes import ProductCode, TextEncoder
from embodied_mem.layers.occupancy.config import OccupancyConfig, SubmapConfig
from embodied_mem.layers.occupancy.floor_plan import FloorGrid
from embodied_mem.layers.occupancy.frontiers import Frontier
from embodied_mem.layers.occupancy.grid import SemanticGrid, occ_scannet_box
from embodied_mem.layers.occupancy.layer import OccupancyLayer
from embodied_mem.layers.occupancy.lit_regions import LitRegion
from embodied_mem.layers.occupancy.snapshot import (
    ACTIVE,
    FREE,
    OCCUPIED,
    STABLE,
    TRANSIENT,
    UNKNOWN,
    MapSnapshot,
)
from embodied_mem.layers.occupancy.visibility import Visibility

__all__ = [
    "ACTIVE",
    "FREE",
    "OCCUPIED",
    "STABLE",
    "TRANSIENT",
    "UNKNOWN",
    "AtlasConfig",
    "FloorGrid",
    "Frontier",
    "LitRegion",
    "MapSnapshot",
    "OccupancyConfig",
    "OccupancyLayer",
    "ProductCode",
    "SemanticGrid",
    "SubmapAtlas",
    "SubmapConfig",
    "TextEncoder",
    "Visibility",
    "occ_scannet_box",
]
