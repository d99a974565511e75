import itertools
from pathlib import Path

import pytest

from embodied_mem.replay import SevenScenesFolder, write_bag
from embodied_mem.replay.session import replay, write_replay_report
from embodied_mem.robot_memory import RobotMemory

from .made_up import room_frame, write_seven_scenes


def test_a_replay_counts_what_it_left_out_and_reports_it(tmp_path: Path) -> None:
    folder = write_seven_scenes(tmp_path / "seq", 5)
    (folder / "frame-000003.pose.txt").write_text("nan " * 16)
    calls: list[tuple[int, int]] = []
    with RobotMemory.open() as memory:
        report = replay(folder, memory, lambda done, total: calls.append((done, total)))
        page = write_replay_report(tmp_path / "report.html", memory, report).read_text(encoding="utf-8")
    assert (report.num_frames, dict(report.skipped)) == (4, {"InvalidPose": 1})
    assert calls[-1] == (5, 5)
    assert "frame-000003" in page
    assert page.count("data:image/png;base64,") == 2


def test_a_folder_and_the_bag_made_of_it_give_the_same_map(tmp_path: Path) -> None:
    frames = [room_frame(index, with_things=True) for index in range(4)]
    write_bag(tmp_path / "bag", frames)
    with RobotMemory.open() as direct, RobotMemory.open() as bagged:
        for frame in frames:
            direct.observe(frame)
        assert replay(tmp_path / "bag", bagged).num_frames == 4
        one, other = direct.map_snapshot(), bagged.map_snapshot()
        assert len(one) == len(other) > 100
        assert abs(one.means_world - other.means_world).max() < 1e-6
        assert (one.occupancy == other.occupancy).all()


@pytest.mark.data
def test_real_frames_give_the_same_map_from_a_folder_and_from_a_bag(
    tmp_path: Path, data_folder: Path
) -> None:
    folder = data_folder / "7scenes"
    if not folder.is_dir():
        pytest.skip(f"no 7-Scenes sequence at {folder}")
    frames = list(itertools.islice(SevenScenesFolder(folder), 15))
    write_bag(tmp_path / "bag", frames)
    with RobotMemory.open() as direct, RobotMemory.open() as bagged:
        for frame in frames:
            direct.observe(frame)
        replay(tmp_path / "bag", bagged)
        one, other = direct.map_snapshot(), bagged.map_snapshot()
    assert len(one) == len(other) > 1000
    assert (one.means_world == other.means_world).all()
    assert (one.color_rgb == other.color_rgb).all()
