"""Episode files of habitat-lab and FindingDory."""

import gzip
import json

import numpy as np
import pytest

from embodied_mem.envs.habitat.episodes import read_episodes
from embodied_mem.errors import InvalidMessage

PLAIN = {
    "episode_id": "7", "scene_id": "scenes/a.glb", "scene_dataset_config": "hm3d.json",
    "start_position": [1.0, 0.1, -2.0], "start_rotation": [0, 1, 0, 0],
    "instruction": {"instruction_text": "Go to the kitchen."},
}  # fmt: skip
DORY = {
    **PLAIN, "episode_id": "8",
    "instructions": {"t1": {"task_id": "t1", "lang": "Find the mug.", "task_type": "object", "goal_expr": {}}},
    "candidate_objects": [
        {"object_name": "mug_1", "object_category": "mug", "position": [0, 1, 2], "view_points": [0, 1]}
    ],
    "rigid_objs": [["mug.object_config.json", 0]],
}  # fmt: skip


def write(folder, episodes, name="episodes.json.gz"):
    data = json.dumps({"episodes": episodes}).encode()
    path = folder / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


@pytest.mark.parametrize("name", ["val.json", "val.json.gz"])
def test_habitat_labs_layout_is_read(tmp_path, name):
    (episode,) = read_episodes(write(tmp_path, [PLAIN], name))
    assert (episode.episode_id, episode.scene, episode.scene_dataset) == ("7", "scenes/a.glb", "hm3d.json")
    assert episode.start_position == (1.0, 0.1, -2.0)
    assert episode.start_quaternion == (0, 1, 0, 0)
    assert episode.instruction == "Go to the kitchen."


def test_findingdorys_viewpoints_and_poses_lie_beside_the_episodes(tmp_path):
    np.save(tmp_path / "viewpoints.npy", np.arange(16.0).reshape(2, 8))
    np.save(tmp_path / "transformations.npy", np.arange(12.0).reshape(1, 3, 4))
    (episode,) = read_episodes(write(tmp_path, [DORY]))
    (mug,) = episode.goals["candidate_objects"]
    assert mug.category == "mug"
    assert mug.position == (0, 1, 2)
    assert mug.viewpoints[1].position == (8, 9, 10)
    assert mug.viewpoints[1].iou == 15
    assert mug.viewpoints[0].quaternion == (3, 4, 5, 6)
    name, pose = episode.raw["rigid_objs"][0]
    assert name == "mug.object_config.json"
    assert pose.shape == (4, 4)
    assert pose[3].tolist() == [0, 0, 0, 1]
    assert episode.instruction == "Find the mug."


def test_viewpoints_written_out_are_read_too(tmp_path):
    view = {"agent_state": {"position": [1, 2, 3], "rotation": [0, 0, 0, 1]}, "iou": 0.5}
    record = {**DORY, "candidate_objects": [{**DORY["candidate_objects"][0], "view_points": [view]}]}
    (episode,) = read_episodes(write(tmp_path, [record]))
    assert episode.goals["candidate_objects"][0].viewpoints[0].iou == 0.5


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (DORY, "viewpoints.npy"),
        ({**PLAIN, "start_position": [1, 2]}, "3 finite numbers"),
        ({**PLAIN, "start_rotation": [0, 0, 0, float("nan")]}, "4 finite numbers"),
        ({"episode_id": "1"}, "scene_id|start_position"),
    ],
)
def test_what_is_missing_or_wrong_is_named(tmp_path, record, told):
    with pytest.raises(InvalidMessage, match=told):
        read_episodes(write(tmp_path, [record]))


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("[]")
    with pytest.raises(InvalidMessage, match="habitat-lab"):
        read_episodes(path)
