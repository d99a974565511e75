"""Demonstrations on disk: what comes back is what was seen and done, and it solves the task again."""

from __future__ import annotations

import json
from pathlib import Path

import gymnasium
import numpy as np
import pytest

from embodied_mem.envs import task_id
from embodied_mem.errors import StoreError

pytestmark = pytest.mark.mujoco
pytest.importorskip("pyarrow")

from embodied_mem.benchmarks.suite import demos  # noqa: E402

OPTIONS = {"image_size": (32, 48)}


def test_what_is_read_is_what_the_expert_saw_and_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demos, "EPISODES_PER_FILE", 2)  # several files
    report = demos.record_demos("ReopenDrawer", range(5), tmp_path, cameras=("front", "top"), **OPTIONS)
    written = list(demos.demonstrate("ReopenDrawer", range(5), cameras=("front", "top"), **OPTIONS))
    read = list(demos.read_demos(tmp_path))
    assert (report.num_demos, report.failed_seeds) == (5, ())
    assert report.num_frames == sum(len(one.action) for one in read)
    for a, b in zip(written, read, strict=True):
        assert isinstance(a, demos.Demo)
        assert (a.seed, a.instruction) == (b.seed, b.instruction)
        assert a.rgb.keys() == b.rgb.keys() == {"front", "top"}
        for camera in a.rgb:
            np.testing.assert_array_equal(a.rgb[camera], b.rgb[camera])
        for key in ("state", "action", "stamp_ns"):
            np.testing.assert_array_equal(getattr(a, key), getattr(b, key))


def test_the_recorded_actions_solve_the_recorded_seeds_again(tmp_path: Path) -> None:
    demos.record_demos("PutBlockBack", range(3), tmp_path, **OPTIONS)
    env = gymnasium.make(task_id("PutBlockBack"), **OPTIONS)
    for demo in demos.read_demos(tmp_path):
        env.reset(seed=demo.seed)
        for action in demo.action:
            *_, info = env.step(action)
        assert info["success"]
    env.close()


def test_the_folder_describes_itself_in_lerobots_third_layout(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    demos.record_demos("RememberColor3", range(2), tmp_path, **OPTIONS)
    info = json.loads((tmp_path / "meta/info.json").read_text())
    assert (info["codebase_version"], info["total_episodes"]) == ("v3.0", 2)
    table = pq.read_table(tmp_path / info["data_path"].format(chunk_index=0, file_index=0))
    assert set(info["features"]) == set(table.column_names)
    assert table.num_rows == info["total_frames"]
    assert table.column("index").to_pylist() == list(range(info["total_frames"]))
    stats = json.loads((tmp_path / "meta/stats.json").read_text())
    assert len(stats["action"]["mean"]) == 4


def test_the_table_of_tasks_tells_pandas_that_their_words_are_its_index(tmp_path: Path) -> None:
    """LeRobot reads it with pandas, which wants to know the kind of every column it makes an index of."""
    import pyarrow.parquet as pq

    demos.record_demos("RememberColor3", range(1), tmp_path, **OPTIONS)
    told = json.loads(pq.read_schema(tmp_path / "meta/tasks.parquet").metadata[b"pandas"])
    assert told["index_columns"] == ["task"]
    assert {column["field_name"]: column["pandas_type"] for column in told["columns"]} == {
        "task_index": "int64",
        "task": "unicode",
    }


@pytest.mark.parametrize(("control", "fps"), [("key_pose", 1), ("velocity", 10)])
def test_times_are_apart_by_the_rate_that_the_folder_tells(tmp_path: Path, control: str, fps: int) -> None:
    import pyarrow.parquet as pq

    demos.record_demos("RememberColor3", range(1), tmp_path, control=control, **OPTIONS)
    info = json.loads((tmp_path / "meta/info.json").read_text())
    times_s = pq.read_table(tmp_path / info["data_path"].format(chunk_index=0, file_index=0))["timestamp"]
    assert info["fps"] == fps
    np.testing.assert_allclose(np.diff(times_s.to_numpy()), 1 / fps, atol=1e-5)


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(StoreError, match="not empty"):
        demos.record_demos("RememberColor3", [0], tmp_path)
    with pytest.raises(StoreError, match="no demos at"):
        next(demos.read_demos(tmp_path))
