"""Which reader a path needs, by what lies there."""

from __future__ import annotations

from pathlib import Path

from embodied_mem.errors import InvalidMessage, UnsupportedEncoding
from embodied_mem.replay.bag import RosBag
from embodied_mem.replay.bag_topics import BagConfig
from embodied_mem.replay.recording import Recording
from embodied_mem.replay.seven_scenes import SevenScenesFolder
from embodied_mem.replay.tum import TumFolder


def open_recording(path: str | Path, bag: BagConfig = BagConfig()) -> Recording:
    """The recording at `path`: a bag (folder, .mcap or .db3 in its folder, .bag), a 7-Scenes or a TUM RGB-D folder.

    Raises:
        InvalidMessage: nothing there, or it is damaged.
        UnsupportedEncoding: none of these.
    """
    path = Path(path)
    if not path.exists():
        raise InvalidMessage(f"{path} does not exist; name a bag or the folder of a recording.")
    if path.suffix == ".bag" or (path.suffix == ".mcap" and path.is_file()):
        return RosBag(path, bag)
    if path.suffix == ".db3":  # sqlite3 bags need the metadata.yaml beside them
        return RosBag(path.parent, bag)
    if (path / "metadata.yaml").is_file():
        return RosBag(path, bag)
    if (path / "groundtruth.txt").is_file():
        return TumFolder(path)
    if path.is_dir() and next(path.glob("frame-*.depth.png"), None) is not None:
        return SevenScenesFolder(path)
    raise UnsupportedEncoding(
        f"{path} is no recording that can be read; it must be a bag (a folder with metadata.yaml, or FILE.mcap), a "
        "7-Scenes sequence (frame-000000.depth.png, ...) or a TUM RGB-D one (groundtruth.txt, ...)."
    )
