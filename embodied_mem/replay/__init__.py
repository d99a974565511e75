"""Recorded RGB-D as frames: 7-Scenes and TUM RGB-D folders, bags of ROS 2 and ROS 1; and frames written as a bag."""

from embodied_mem.replay.bag import RosBag
from embodied_mem.replay.bag_topics import BagConfig
from embodied_mem.replay.bag_writer import write_bag
from embodied_mem.replay.opening import open_recording
from embodied_mem.replay.recording import Recording, Skipped
from embodied_mem.replay.seven_scenes import SevenScenesFolder
from embodied_mem.replay.tum import TumFolder

__all__ = [
    "BagConfig",
    "Recording",
    "RosBag",
    "SevenScenesFolder",
    "Skipped",
    "TumFolder",
    "open_recording",
    "write_bag",
]
