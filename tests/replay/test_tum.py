from pathlib import Path

import pytest

from embodied_mem.errors import InvalidMessage, UnsupportedEncoding
from embodied_mem.replay import Skipped, TumFolder, open_recording

from .made_up import check_same, room_frame, write_tum


def test_frames_come_back_as_they_were(tmp_path: Path) -> None:
    recording = open_recording(write_tum(tmp_path / "seq", 4))
    assert isinstance(recording, TumFolder)
    assert len(recording) == 4
    for index, frame in enumerate(recording):
        check_same(frame, room_frame(index), pose_m=1e-6, depth_m=1e-4)
        assert frame.stamp_ns == room_frame(index).stamp_ns


def test_the_cameras_intrinsics_follow_the_folders_name(tmp_path: Path) -> None:
    folder = write_tum(tmp_path / "rgbd_dataset_freiburg2_desk", 1)
    (folder / "camera.txt").unlink()
    (frame,) = TumFolder(folder)
    assert frame.camera.fx == 520.9


def test_depth_without_a_pose_near_in_time_is_skipped(tmp_path: Path) -> None:
    folder = write_tum(tmp_path / "seq", 3)
    lines = (folder / "groundtruth.txt").read_text().splitlines()
    (folder / "groundtruth.txt").write_text("\n".join(lines[:-1]))
    skipped: list[Skipped] = []
    assert len(list(TumFolder(folder).frames(skipped.append))) == 2
    assert "pose nearest" in str(skipped[0].error)


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    folder = write_tum(tmp_path / "seq", 2)
    with (folder / "rgb.txt").open("a") as file:
        file.write("\nyesterday rgb/9.png")
    with pytest.raises(InvalidMessage, match=r"rgb.txt, line 4 begins with 'yesterday'"):
        TumFolder(folder)


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    folder = write_tum(tmp_path / "seq", 2)
    (folder / "depth.txt").unlink()
    with pytest.raises(UnsupportedEncoding, match=r"depth.txt is missing"):
        TumFolder(folder)
