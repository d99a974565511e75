from pathlib import Path

import numpy as np
import pytest

from embodied_mem.errors import InvalidMessage, InvalidPose, UnsupportedEncoding
from embodied_mem.geometry import look_at
from embodied_mem.replay import SevenScenesFolder, Skipped, open_recording

from .made_up import check_same, room_frame, write_image, write_seven_scenes

TILTED = look_at(np.array([1.0, 2.0, 3.0]), np.array([1.5, 3.0, 2.2]))
"""A world that begins at a hand-held camera, as 7-Scenes' does."""


def test_frames_come_back_as_they_were(tmp_path: Path) -> None:
    recording = open_recording(write_seven_scenes(tmp_path, 3))
    assert isinstance(recording, SevenScenesFolder)
    assert len(recording) == 3
    upright = SevenScenesFolder(tmp_path, is_upright=True)
    for index, frame in enumerate(upright):
        check_same(frame, room_frame(index))


def test_stamps_rise_at_thirty_hertz_and_none_is_zero(tmp_path: Path) -> None:
    stamps = [frame.stamp_ns for frame in SevenScenesFolder(write_seven_scenes(tmp_path, 3), is_upright=True)]
    assert stamps[0] > 0
    assert np.diff(stamps).tolist() == [33_333_333, 33_333_333]


def test_a_world_that_lies_askew_is_turned_until_the_floor_is_level(tmp_path: Path) -> None:
    recording = SevenScenesFolder(write_seven_scenes(tmp_path, 8, T_recorded_world=np.linalg.inv(TILTED)))
    for index, frame in enumerate(recording):
        up_in_camera = frame.T_world_camera[2, :3]
        np.testing.assert_allclose(up_in_camera, room_frame(index).T_world_camera[2, :3], atol=0.01)


def test_counts_of_65535_are_no_return(tmp_path: Path) -> None:
    write_seven_scenes(tmp_path, 1)
    depth = np.full((48, 64), 65535, dtype=np.uint16)
    depth[10, 20] = 1234
    write_image(tmp_path / "frame-000000.depth.png", depth)
    (frame,) = SevenScenesFolder(tmp_path, is_upright=True)
    assert np.argwhere(frame.depth_m).tolist() == [[10, 20]]
    assert frame.depth_m[10, 20] == pytest.approx(1.234)


def damage(tmp_path: Path, name: str, content: bytes) -> None:
    write_seven_scenes(tmp_path, 3)
    (tmp_path / name).write_bytes(content)


@pytest.mark.parametrize(
    ("name", "content", "error", "says"),
    [
        ("frame-000001.depth.png", b"\x89PNG", InvalidMessage, "no whole PNG"),
        ("frame-000001.color.png", b"", InvalidMessage, "0 bytes"),
        ("frame-000001.pose.txt", b"nan " * 16, InvalidPose, "tracking was lost"),
        ("frame-000001.pose.txt", b"1 2 3", InvalidMessage, "3 numbers"),
        ("frame-000001.pose.txt", b"2 0 0 0 0 2 0 0 0 0 2 0 0 0 0 1", InvalidPose, "no rigid motion"),
    ],
)
def test_a_damaged_frame_is_named_and_the_others_are_read(
    tmp_path: Path, name: str, content: bytes, error: type[Exception], says: str
) -> None:
    damage(tmp_path, name, content)
    recording = SevenScenesFolder(tmp_path, is_upright=True)
    with pytest.raises(error, match=says):
        list(recording)
    skipped: list[Skipped] = []
    assert len(list(recording.frames(skipped.append))) == 2
    assert [(s.source, s.cause) for s in skipped] == [("frame-000001", error.__name__)]


def test_eight_bit_depth_is_refused(tmp_path: Path) -> None:
    write_seven_scenes(tmp_path, 1)
    write_image(tmp_path / "frame-000000.depth.png", np.zeros((48, 64), dtype=np.uint8))
    with pytest.raises(UnsupportedEncoding, match="16 bits"):
        list(SevenScenesFolder(tmp_path, is_upright=True))


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedEncoding, match=r"frame-\*\.depth\.png"):
        SevenScenesFolder(tmp_path)
    with pytest.raises(UnsupportedEncoding, match="no recording"):
        open_recording(tmp_path)
    with pytest.raises(InvalidMessage, match="does not exist"):
        open_recording(tmp_path / "nowhere")


@pytest.mark.data
def test_the_real_sequence_stands_upright(data_folder: Path) -> None:
    folder = data_folder / "7scenes"
    if not folder.is_dir():
        pytest.skip(f"no 7-Scenes sequence at {folder}")
    recording = SevenScenesFolder(folder)
    assert len(recording) == 500
    frame = next(iter(recording))
    assert frame.rgb is not None
    assert 0.8 < (frame.depth_m > 0).mean() < 1.0
    assert frame.T_world_camera[2, 1] < -0.7  # the camera's down points down
