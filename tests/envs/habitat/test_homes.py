"""Homes written for Habitat: what the files say is what the rooms are."""

import json

import numpy as np
import pytest

from embodied_mem.envs.habitat.axes import to_world
from embodied_mem.geometry import Box

pytestmark = pytest.mark.mujoco
trimesh = pytest.importorskip(
    "trimesh", reason="trimesh is not installed; run pip install embodied_mem[habitat]"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    from embodied_mem.envs.habitat.homes import write_home

    return write_home(tmp_path_factory.mktemp("home"), seed=3)


def srgb(linear):
    value = linear / 255.0
    return np.round(
        255 * np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)
    ).astype(int)


def test_the_semantic_mesh_has_the_colours_that_the_text_names(home):
    folder = home.scene_dataset.parent
    rows = (folder / "semantics" / "home.semantic.txt").read_text().splitlines()
    assert rows[0] == "HM3D Semantic Annotations"
    named = {row.split(",")[1]: int(row.split(",")[0]) for row in rows[1:]}
    assert len(named) == len(rows) - 1 == len(home.boxes) >= 40
    mesh = trimesh.load(folder / "stages" / "home.semantic.glb", force="mesh")
    colors = srgb(np.asarray(mesh.visual.vertex_colors)[:, :3])
    ids = np.array([named["".join(f"{one:02X}" for one in color)] for color in colors])
    for number, (_, box) in home.boxes.items():
        around = Box.around(to_world(mesh.vertices[ids == number]))
        assert np.allclose(around.min_m, box.min_m, atol=1e-4)
        assert np.allclose(around.max_m, box.max_m, atol=1e-4)


def test_a_home_is_furnished_and_stands_on_its_floor(home):
    categories = [category for category, _ in home.boxes.values()]
    assert {"floor", "wall", "ceiling"} <= set(categories)
    assert len(set(categories)) >= 15
    assert not {"robot", "person"} & set(categories)
    floor = next(box for category, box in home.boxes.values() if category == "floor")
    assert floor.max_m[2] == pytest.approx(0.0, abs=1e-6)


def test_nobody_can_stand_on_the_ceiling(home):
    mesh = trimesh.load(home.scene_dataset.parent / "stages" / "home.glb", force="mesh")
    looks_up = (mesh.face_normals[:, 1] > 0.9) & (mesh.triangles_center[:, 1] > 2.0)
    # What is left up there are the tops of walls, too narrow for anybody, and of tall furniture.
    floor = next(box for category, box in home.boxes.values() if category == "floor")
    assert mesh.area_faces[looks_up].sum() < 0.15 * floor.footprint_m2


def test_every_file_that_is_named_is_there(home):
    folder = home.scene_dataset.parent
    dataset = json.loads(home.scene_dataset.read_text())
    for kind in ("stages", "objects", "scene_instances"):
        assert all((folder / one).is_dir() for one in dataset[kind]["paths"][".json"])
    stage = json.loads((folder / "stages" / "home.stage_config.json").read_text())
    scene = json.loads((folder / "scenes" / "home.scene_instance.json").read_text())
    for name in (stage["render_asset"], stage["semantic_asset"], stage["semantic_descriptor_filename"]):
        assert (folder / "stages" / name).is_file()
    assert (
        folder / dataset["semantic_scene_descriptor_instances"][scene["semantic_scene_instance"]]
    ).is_file()
    for path in home.objects.values():
        assert (path.parent / json.loads(path.read_text())["render_asset"]).is_file()


def test_the_same_seed_writes_the_same_bytes(home, tmp_path):
    from embodied_mem.envs.habitat.homes import write_home

    write_home(tmp_path, seed=3)
    for name in ("stages/home.glb", "stages/home.semantic.glb", "semantics/home.semantic.txt", "truth.json"):
        assert (tmp_path / name).read_bytes() == (home.scene_dataset.parent / name).read_bytes()
