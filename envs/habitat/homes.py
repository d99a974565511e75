"""Furnished homes as files that Habitat loads: the rooms of `EmbodiedMem/Household-v0` as GLB, with semantics.

A home is a folder: a scene dataset configuration, a stage with its semantic mesh, a scene instance, a few loose
things (*.object_config.json) and `truth.json` with every instance's box in our world axes. Ceilings are single-sided,
so that nobody can stand on them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, UInt8

from embodied_mem.errors import MissingExtra
from embodied_mem.geometry import Box
from embodied_mem.perception.colors import linear_rgb

from ..mujoco.engine import mujoco
from ..mujoco.home import generate_home
from ..mujoco.mjcf import HomeModel, write_mjcf
from .axes import to_habitat, to_world

LEVELS = tuple(range(16, 256, 16))
"""Channel values of semantic vertex colours; coarse, so that sRGB and linear values go over into each other exactly."""

LOOSE_THINGS = {"box": ((0.12, 0.12, 0.12), (0.8, 0.1, 0.1)), "tray": ((0.3, 0.2, 0.05), (0.1, 0.2, 0.8))}
LEFT_OUT = ("robot", "person")


@dataclass(frozen=True, kw_only=True)
class WrittenHome:
    """Where things are; `boxes` holds (category, box in world) of every instance by its semantic id."""

    scene_dataset: Path
    scene: str
    objects: dict[str, Path]
    boxes: dict[int, tuple[str, Box]]


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """One geom: a mesh in Habitat's axes, its colour, and whose it is."""

    mesh: Any
    color: Float64[np.ndarray, "3"]
    instance: int


def write_home(folder: Path | str, seed: int, *, num_rooms: int = 5) -> WrittenHome:
    """Make the home of a seed and write it below `folder`.

    Raises:
        MissingExtra: trimesh is not installed.
    """
    folder = Path(folder)
    home = generate_home(np.random.default_rng(seed), num_rooms)
    written = write_mjcf(home, fovy_deg=58.0, offscreen_px=(64, 64))
    model = mujoco.MjModel.from_xml_string(written.xml)
    data = mujoco.MjData(model)
    _open_doors(model, data)
    mujoco.mj_forward(model, data)
    pieces = _pieces(model, data, written)
    for name in ("stages", "scenes", "objects", "semantics"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    colors = _write_stage(folder, pieces)
    boxes = _boxes(pieces, written)
    rows = [
        f'{number},{colors[number]},"{written.instances[number].category}",0' for number in sorted(colors)
    ]
    (folder / "semantics" / "home.semantic.txt").write_text(
        "HM3D Semantic Annotations\n" + "\n".join(rows) + "\n"
    )
    objects = {name: _write_object(folder / "objects", name) for name in LOOSE_THINGS}
    _write_json(folder / "scenes" / "home.scene_instance.json", {
        "stage_instance": {"template_name": "home"}, "default_lighting": "no_lights",
        "object_instances": [], "semantic_scene_instance": "home",
    })  # fmt: skip
    dataset = folder / "homes.scene_dataset_config.json"
    _write_json(dataset, {
        "stages": {"paths": {".json": ["stages"]}},
        "objects": {"paths": {".json": ["objects"]}},
        "scene_instances": {"paths": {".json": ["scenes"]}},
        "semantic_scene_descriptor_instances": {"home": "semantics/home.semantic.txt"},
    })  # fmt: skip
    _write_json(folder / "truth.json", {
        str(number): {"category": category, "min_m": box.min_m, "max_m": box.max_m}
        for number, (category, box) in boxes.items()
    })  # fmt: skip
    return WrittenHome(scene_dataset=dataset, scene="home", objects=objects, boxes=boxes)


def _trimesh() -> Any:
    try:
        import trimesh
    except ImportError as error:
        raise MissingExtra(
            "homes are written with trimesh; run `pip install embodied_mem[habitat]`"
        ) from error
    return trimesh


def _open_doors(model: Any, data: Any) -> None:
    for joint in range(model.njnt):
        name = mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_JOINT, joint)
        if name.startswith("door"):
            low, high = model.jnt_range[joint]
            data.qpos[model.jnt_qposadr[joint]] = low if abs(low) > abs(high) else high


def _pieces(model: Any, data: Any, written: HomeModel) -> list[_Piece]:
    pieces = []
    for geom in range(model.ngeom):
        name = mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_GEOM, geom)
        instance = written.geom_instance[name]
        category = written.instances[instance].category
        if category in LEFT_OUT:
            continue
        mesh = _mesh(int(model.geom_type[geom]), model.geom_size[geom])
        turn = data.geom_xmat[geom].reshape(3, 3)
        mesh.vertices = to_habitat(mesh.vertices @ turn.T + data.geom_xpos[geom])
        if category == "ceiling":
            mesh.update_faces(mesh.face_normals[:, 1] < -0.5)
            mesh.remove_unreferenced_vertices()
        pieces.append(_Piece(mesh=mesh, color=model.geom_rgba[geom, :3].astype(float), instance=instance))
    return pieces


def _mesh(kind: int, size: Float64[np.ndarray, "3"]) -> Any:
    trimesh = _trimesh()
    if kind == mujoco.mjtGeom.mjGEOM_BOX:
        return trimesh.creation.box(extents=2 * size)
    if kind == mujoco.mjtGeom.mjGEOM_CYLINDER:
        return trimesh.creation.cylinder(radius=size[0], height=2 * size[1], sections=24)
    ball = trimesh.creation.icosphere(subdivisions=2, radius=1.0)
    ball.vertices *= size if kind == mujoco.mjtGeom.mjGEOM_ELLIPSOID else size[0]
    return ball


def _boxes(pieces: Sequence[_Piece], written: HomeModel) -> dict[int, tuple[str, Box]]:
    boxes: dict[int, tuple[str, Box]] = {}
    for piece in pieces:
        box = Box.around(to_world(piece.mesh.vertices))
        category = written.instances[piece.instance].category
        known = boxes.get(piece.instance)
        boxes[piece.instance] = (category, box if known is None else known[1].union(box))
    return boxes


def _write_stage(folder: Path, pieces: Sequence[_Piece]) -> dict[int, str]:
    """Write the visible and the semantic mesh; returns each instance's colour as .semantic.txt names it."""
    colors = {number: _label_color(number) for number in sorted({piece.instance for piece in pieces})}
    shaded = [(piece.mesh, _linear(_shaded(piece))) for piece in pieces]
    labelled = [(piece.mesh, np.tile(colors[piece.instance], (len(piece.mesh.faces), 1))) for piece in pieces]
    _write_glb(folder / "stages" / "home.glb", shaded)
    _write_glb(folder / "stages" / "home.semantic.glb", labelled)
    _write_json(folder / "stages" / "home.stage_config.json", {
        "render_asset": "home.glb", "semantic_asset": "home.semantic.glb",
        "semantic_descriptor_filename": "../semantics/home.semantic.txt", "has_semantic_textures": False,
        "up": [0, 1, 0], "front": [0, 0, -1], "shader_type": "flat", "requires_lighting": False,
    })  # fmt: skip
    return {number: "".join(f"{value:02X}" for value in _srgb(color)) for number, color in colors.items()}


def _label_color(number: int) -> UInt8[np.ndarray, "3"]:
    base = len(LEVELS)
    levels: UInt8[np.ndarray, "3"] = np.array(
        [LEVELS[number // base**k % base] for k in (2, 1, 0)], dtype=np.uint8
    )
    return levels


def _shaded(piece: _Piece) -> Float64[np.ndarray, "faces 3"]:
    """Faces a little darker the less they look up or to one side, as nothing lights a flat-shaded scene."""
    light = 0.82 + 0.18 * (piece.mesh.face_normals @ np.array([0.35, 0.85, 0.4]) / 1.01)
    return np.asarray(np.clip(piece.color[None] * light[:, None], 0.0, 1.0))


def _linear(srgb: Float64[np.ndarray, "n 3"]) -> UInt8[np.ndarray, "n 3"]:
    """glTF's vertex colours are linear."""
    return np.asarray(np.round(255 * linear_rgb(srgb)), dtype=np.uint8)


def _srgb(linear: UInt8[np.ndarray, "3"]) -> tuple[int, ...]:
    value = linear / 255.0
    srgb = np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)
    return tuple(int(one) for one in np.round(255 * srgb))


def _write_glb(path: Path, colored: Sequence[tuple[Any, UInt8[np.ndarray, "faces 3"]]]) -> None:
    """One mesh with vertex colours; every face has corners of its own, so that no colour runs into another."""
    trimesh = _trimesh()
    corners = np.concatenate([mesh.vertices[mesh.faces].reshape(-1, 3) for mesh, _ in colored])
    colors = np.concatenate([np.repeat(faces, 3, axis=0) for _, faces in colored])
    colors = np.hstack([colors, np.full((len(colors), 1), 255, dtype=np.uint8)])
    whole = trimesh.Trimesh(
        vertices=corners, faces=np.arange(len(corners)).reshape(-1, 3), vertex_colors=colors, process=False
    )
    path.write_bytes(trimesh.Scene(whole).export(file_type="glb"))


def _write_object(folder: Path, name: str) -> Path:
    size, color = LOOSE_THINGS[name]
    mesh = _trimesh().creation.box(extents=to_habitat(np.array(size)) * np.array([1, 1, -1]))
    _write_glb(folder / f"{name}.glb", [(mesh, _linear(np.tile(color, (len(mesh.faces), 1))))])
    path = folder / f"{name}.object_config.json"
    _write_json(path, {"render_asset": f"{name}.glb", "is_collidable": False, "requires_lighting": False})
    return path


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n")
