"""Demonstrations of the tasks by their scripted experts, on disk in the layout of LeRobot's dataset v3.

Plain Parquet, written and read without LeRobot: `data/` has one row a step with PNG images inside, `meta/` says what is
in it. A step's row is the observation and the action taken then; the last observation has no action and is left out.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from jaxtyping import Float32, Int64, UInt8
from PIL import Image

from embodied_mem.envs import task_id
from embodied_mem.errors import MissingExtra, StoreError

DATA_FILE = "data/chunk-{chunk:03d}/file-{file:03d}.parquet"
EPISODES_FILE = "meta/episodes/chunk-000/file-000.parquet"
EPISODES_PER_FILE = 500
STATE_NAMES = ("tip_x_m", "tip_y_m", "tip_z_m", "opening_m", "is_closed")
ACTION_NAMES = ("x", "y", "z", "grip")


@dataclass(frozen=True, kw_only=True)
class Demo:
    """One successful episode. Row t is what was seen and what was then done."""

    seed: int
    instruction: str
    rgb: dict[str, UInt8[np.ndarray, "t h w 3"]]
    state: Float32[np.ndarray, "t 5"]
    action: Float32[np.ndarray, "t 4"]
    stamp_ns: Int64[np.ndarray, "t"]


@dataclass(frozen=True, kw_only=True)
class RecordingReport:
    """What was written, and what it cost. Failed seeds (the expert's own) are not written."""

    num_demos: int
    num_frames: int
    failed_seeds: tuple[int, ...]
    cpu_s: float

    @property
    def demos_per_minute_per_core(self) -> float:
        return 60.0 * self.num_demos / self.cpu_s


def demonstrate(task: str, seeds: Sequence[int], **options: Any) -> Iterator[Demo | int]:
    """The expert's episode for each seed, or the seed itself where the expert failed. `options` are the env's."""
    from embodied_mem.envs.mujoco.tabletop.expert import ScriptedExpert

    env: Any = gymnasium.make(
        task_id(task), obs_modes=("rgb",), disable_env_checker=True, **options
    ).unwrapped
    try:
        for seed in seeds:
            observation, info = env.reset(seed=seed)
            expert, rows, is_over = ScriptedExpert(env.episode), [], False
            while not is_over:
                action = expert.act()
                rows.append((observation, action, info["stamp_ns"]))
                observation, _, terminated, truncated, info = env.step(action)
                is_over = terminated or truncated
            yield _demo(seed, rows, env.config.cameras) if info["success"] else seed
    finally:
        env.close()


def record_demos(task: str, seeds: Sequence[int], folder: str | Path, **options: Any) -> RecordingReport:
    """Write a dataset of the expert's demonstrations of `task` into an empty or new `folder`.

    Raises:
        StoreError: the folder has something in it.
        MissingExtra: pyarrow is not installed.
    """
    path = Path(folder)
    if path.exists() and any(path.iterdir()):
        raise StoreError(f"{path} is not empty; name a new folder for the demos of {task}.")
    began_s = time.process_time()
    episodes: list[dict[str, Any]] = []
    failed: list[int] = []
    batch: list[Demo] = []
    statistics = _Statistics()
    for found in demonstrate(task, seeds, **options):
        if isinstance(found, int):
            failed.append(found)
            continue
        batch.append(found)
        statistics.add(found)
        if len(batch) == EPISODES_PER_FILE:
            episodes += _write_batch(path, batch, episodes)
            batch = []
    if batch:
        episodes += _write_batch(path, batch, episodes)
    if not episodes:
        raise StoreError(
            f"no demo of {task} was written: the expert failed on every one of {len(seeds)} seeds."
        )
    _write_meta(path, task, episodes, statistics)
    num_frames = sum(int(episode["length"]) for episode in episodes)
    return RecordingReport(
        num_demos=len(episodes),
        num_frames=num_frames,
        failed_seeds=tuple(failed),
        cpu_s=time.process_time() - began_s,
    )


def read_demos(folder: str | Path) -> Iterator[Demo]:
    """The demos of a dataset that `record_demos` wrote, in order.

    Raises:
        StoreError: there is no such dataset.
    """
    pq, path = _parquet(), Path(folder)
    if not (path / EPISODES_FILE).is_file():
        raise StoreError(
            f"no demos at {path}; record some with `embodied-mem bench demos task=... out={path}`."
        )
    episodes = pq.read_table(path / EPISODES_FILE).to_pylist()
    rows: list[dict[str, Any]] = []
    at: tuple[int, int] | None = None
    for episode in episodes:
        place = (episode["data/chunk_index"], episode["data/file_index"])
        if place != at:
            at, rows = (
                place,
                pq.read_table(path / DATA_FILE.format(chunk=place[0], file=place[1])).to_pylist(),
            )
            first = episode["dataset_from_index"]
        begin = episode["dataset_from_index"] - first
        yield _read_demo(episode, rows[begin : begin + episode["length"]])


def _demo(seed: int, rows: Sequence[tuple[Any, np.ndarray, int]], cameras: Sequence[str]) -> Demo:
    keys = {camera: f"rgb_{camera}" if number else "rgb" for number, camera in enumerate(cameras)}
    return Demo(
        seed=seed, instruction=rows[0][0]["instruction"],
        rgb={camera: np.stack([seen[key] for seen, _, _ in rows]) for camera, key in keys.items()},
        state=np.stack([seen["proprio"] for seen, _, _ in rows]), action=np.stack([action for _, action, _ in rows]),
        stamp_ns=np.array([stamp_ns for _, _, stamp_ns in rows], dtype=np.int64),
    )  # fmt: skip


def _read_demo(episode: dict[str, Any], rows: Sequence[dict[str, Any]]) -> Demo:
    images = [key for key in rows[0] if key.startswith("observation.images.")]
    return Demo(
        seed=episode["seed"], instruction=episode["tasks"][0],
        rgb={key.rpartition(".")[2]: np.stack([_decoded(row[key]["bytes"]) for row in rows]) for key in images},
        state=np.array([row["observation.state"] for row in rows], dtype=np.float32),
        action=np.array([row["action"] for row in rows], dtype=np.float32),
        stamp_ns=np.array([row["stamp_ns"] for row in rows], dtype=np.int64),
    )  # fmt: skip


class _Statistics:
    """State and action of all demos, which LeRobot normalises with; and what all of them share: sizes of images, rate."""

    def __init__(self) -> None:
        self._all: dict[str, list[np.ndarray]] = {"observation.state": [], "action": []}
        self.image_px: dict[str, tuple[int, int]] = {}
        self.fps = 0

    def add(self, demo: Demo) -> None:
        self._all["observation.state"].append(demo.state)
        self._all["action"].append(demo.action)
        self.fps = round(1e9 / float(demo.stamp_ns[1] - demo.stamp_ns[0]))
        self.image_px = {camera: (rgb.shape[1], rgb.shape[2]) for camera, rgb in demo.rgb.items()}

    def as_json(self) -> dict[str, Any]:
        stacked = {key: np.concatenate(values).astype(np.float64) for key, values in self._all.items()}
        return {
            key: {
                "min": values.min(0).tolist(), "max": values.max(0).tolist(), "mean": values.mean(0).tolist(),
                "std": values.std(0).tolist(), "count": [len(values)],
            }
            for key, values in stacked.items()
        }  # fmt: skip


def _write_batch(path: Path, batch: Sequence[Demo], before: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    import pyarrow as pa

    chunk, file = 0, len(before) // EPISODES_PER_FILE
    first = int(before[-1]["dataset_to_index"]) if before else 0
    rows: list[dict[str, Any]] = []
    entries: list[dict[str, Any]] = []
    for offset, demo in enumerate(batch):
        begin = first + len(rows)
        rows += list(_rows(demo, len(before) + offset, begin))
        entries.append({
            "episode_index": len(before) + offset, "tasks": [demo.instruction], "length": len(demo.action),
            "seed": demo.seed, "data/chunk_index": chunk, "data/file_index": file, "dataset_from_index": begin,
            "dataset_to_index": begin + len(demo.action), "meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0,
        })  # fmt: skip
    target = path / DATA_FILE.format(chunk=chunk, file=file)
    target.parent.mkdir(parents=True, exist_ok=True)
    _parquet().write_table(pa.Table.from_pylist(rows, schema=_schema(batch[0])), target)
    return entries


def _rows(demo: Demo, episode_index: int, begin: int) -> Iterator[dict[str, Any]]:
    length = len(demo.action)
    for t in range(length):
        images = {
            f"observation.images.{c}": {"bytes": _png(rgb[t]), "path": None} for c, rgb in demo.rgb.items()
        }
        yield {
            **images, "observation.state": demo.state[t].tolist(), "action": demo.action[t].tolist(),
            "timestamp": float(demo.stamp_ns[t] - demo.stamp_ns[0]) / 1e9, "stamp_ns": int(demo.stamp_ns[t]),
            "frame_index": t, "episode_index": episode_index, "index": begin + t, "task_index": 0,
            "next.done": t == length - 1, "next.reward": float(t == length - 1),
        }  # fmt: skip


def _schema(demo: Demo) -> Any:
    import pyarrow as pa

    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    integers = ("stamp_ns", "frame_index", "episode_index", "index", "task_index")
    return pa.schema([
        *((f"observation.images.{camera}", image) for camera in demo.rgb),
        ("observation.state", pa.list_(pa.float32(), len(STATE_NAMES))), ("action", pa.list_(pa.float32(), 4)),
        ("timestamp", pa.float32()), *((name, pa.int64()) for name in integers),
        ("next.done", pa.bool_()), ("next.reward", pa.float32()),
    ])  # fmt: skip


def _write_meta(path: Path, task: str, episodes: Sequence[dict[str, Any]], statistics: _Statistics) -> None:
    import pyarrow as pa

    (path / EPISODES_FILE).parent.mkdir(parents=True, exist_ok=True)
    _parquet().write_table(pa.Table.from_pylist(list(episodes)), path / EPISODES_FILE)
    tasks = pa.table({"task_index": [0], "task": [episodes[0]["tasks"][0]]})
    tasks = tasks.replace_schema_metadata({"pandas": json.dumps(_indexed_by_task())})
    _parquet().write_table(tasks, path / "meta" / "tasks.parquet")
    (path / "meta" / "stats.json").write_text(json.dumps(statistics.as_json(), indent=1), encoding="utf-8")
    info = _info(task, episodes, statistics)
    (path / "meta" / "info.json").write_text(json.dumps(info, indent=1), encoding="utf-8")


def _indexed_by_task() -> dict[str, Any]:
    """What tells pandas that the task's words are the table's index, as LeRobot keeps them."""
    kinds = {"task_index": ("int64", "int64"), "task": ("unicode", "object")}
    columns = [
        {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy_kind, "metadata": None}
        for name, (kind, numpy_kind) in kinds.items()
    ]
    return {"index_columns": ["task"], "column_indexes": [], "columns": columns, "pandas_version": "2.0"}


def _info(task: str, episodes: Sequence[dict[str, Any]], statistics: _Statistics) -> dict[str, Any]:
    scalar = {"shape": [1], "names": None}
    images = {
        f"observation.images.{camera}": {
            "dtype": "image",
            "shape": [*px, 3],
            "names": ["height", "width", "channels"],
        }
        for camera, px in statistics.image_px.items()
    }
    integers = ("stamp_ns", "frame_index", "episode_index", "index", "task_index")
    return {
        "codebase_version": "v3.0", "robot_type": f"tabletop gripper ({task})", "fps": statistics.fps,
        "total_episodes": len(episodes), "total_frames": int(episodes[-1]["dataset_to_index"]), "total_tasks": 1,
        "chunks_size": 1000, "data_files_size_in_mb": 100, "video_files_size_in_mb": 500,
        "splits": {"train": f"0:{len(episodes)}"}, "video_path": None,
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "features": {
            **images,
            "observation.state": {"dtype": "float32", "shape": [len(STATE_NAMES)], "names": list(STATE_NAMES)},
            "action": {"dtype": "float32", "shape": [len(ACTION_NAMES)], "names": list(ACTION_NAMES)},
            "timestamp": {"dtype": "float32", **scalar}, **{name: {"dtype": "int64", **scalar} for name in integers},
            "next.done": {"dtype": "bool", **scalar}, "next.reward": {"dtype": "float32", **scalar},
        },
    }  # fmt: skip


def _png(rgb: UInt8[np.ndarray, "h w 3"]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def _decoded(png: bytes) -> UInt8[np.ndarray, "h w 3"]:
    return np.asarray(Image.open(io.BytesIO(png)))


def _parquet() -> Any:
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtra("demos are kept as Parquet: pip install 'embodied_mem[demos]'") from error
    return pq
