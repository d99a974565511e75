"""Bags of ROS 2 (MCAP and sqlite3) and ROS 1, read without ROS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.typesys import Stores, get_typestore

from embodied_mem.errors import EmbodiedMemError, InvalidMessage, UnsupportedEncoding
from embodied_mem.messages import Frame
from embodied_mem.replay.bag_frames import FrameAssembler, input_config, poses_of
from embodied_mem.replay.bag_topics import COMPRESSED, IMAGE, ODOMETRY, BagConfig, Topic, choose_topics
from embodied_mem.replay.recording import OnSkip, Recording, refuse
from embodied_mem.sensing.input_config import InputConfig

RECOVERY = "Copy it again; or try `mcap recover FILE` (MCAP) or `ros2 bag reindex FOLDER`."
STATIC = "/tf_static"
SINGLE_INPUTS = ("depth", "camera_info", "depth_camera_info", "rgb", "segmentation", "odometry")


@dataclass(frozen=True, kw_only=True)
class RawMessage:
    """A message as it was recorded. `input` is the name of the memory node's input that it is for (depth, rgb, ...),
    `cdr` the serialised message, `recorded_ns` when the recorder got it.
    """

    input: str
    recorded_ns: int
    cdr: bytes


class RosBag(Recording):
    """A bag's RGB-D frames, posed by its odometry or /tf. Topics are found by what they hold, see `BagConfig`.

    Raises:
        UnsupportedEncoding: no depth, no camera info, or no bag at all.
        InvalidMessage: a damaged file.
        ConfigError: a topic that the bag has not, or several that fit equally.
    """

    def __init__(self, path: str | Path, config: BagConfig = BagConfig()) -> None:
        self.path = Path(path)
        self._config = config
        with self._open() as reader:
            self.topics = choose_topics(_topics(reader), config)
            self._static = [m for topic, m in self._messages(reader, {STATIC})]
            self.world_frame = config.world_frame or self._find_world(reader)

    @property
    def description(self) -> str:
        color = self.topics.rgb.name if self.topics.rgb else "no colour"
        return f"{self.path}: bag, depth {self.topics.depth.name}, {color}, world frame {self.world_frame}"

    def __len__(self) -> int:
        return self.topics.depth.num_messages

    def frames(self, on_skip: OnSkip = refuse) -> Iterator[Frame]:
        assembler = FrameAssembler(self.topics, self._config, self.world_frame, on_skip)
        for message in self._static:
            assembler.add_fixed(message)
        with self._open() as reader:
            for topic, message in self._messages(reader, self.topics.names() - {STATIC}):
                yield from assembler.add(topic, message)
            yield from assembler.finish()

    @property
    def input_config(self) -> InputConfig:
        """With what parameters `memory_node` hears this bag just as `frames` reads it."""
        return input_config(self.topics, self._config, self.world_frame)

    @property
    def inputs(self) -> dict[str, Topic]:
        """The topic for each input of `memory_node` (depth, rgb, ..., /tf).

        Raises:
            UnsupportedEncoding: poses in a type that the node does not hear.
        """
        topics = self.topics
        if topics.odometry is not None and topics.odometry.type != ODOMETRY:
            raise UnsupportedEncoding(
                f"the poses in {self.path} are {topics.odometry.type}; a memory node hears {ODOMETRY} and /tf. Put the "
                "bag into a memory directly: embodied-mem replay."
            )
        single = {name: getattr(topics, name) for name in SINGLE_INPUTS}
        return {name: topic for name, topic in single.items() if topic} | {t.name: t for t in topics.tf}

    def raw_messages(self) -> Iterator[RawMessage]:
        """What `frames` reads, as it was recorded: mountings first, then everything in the order of recording.

        Raises:
            UnsupportedEncoding: a bag of ROS 1, or poses in a type that the node does not hear.
        """
        input_of = {topic.name: name for name, topic in self.inputs.items()}
        with self._open() as reader:
            if not reader.is2:
                raise UnsupportedEncoding(
                    f"{self.path} is a bag of ROS 1, whose messages ROS 2 nodes cannot hear. Convert it (rosbags-convert) "
                    "or put it into a memory directly: embodied-mem replay."
                )
            for names in ({STATIC} & set(input_of), set(input_of) - {STATIC}):
                connections = [c for c in reader.connections if c.topic in names]
                for connection, recorded_ns, data in reader.messages(connections) if connections else ():
                    yield RawMessage(
                        input=input_of[connection.topic], recorded_ns=recorded_ns, cdr=bytes(data)
                    )

    @contextmanager
    def _open(self) -> Iterator[AnyReader]:
        if not self.path.exists():
            raise InvalidMessage(f"{self.path} does not exist.")
        try:
            with AnyReader([self.path], default_typestore=get_typestore(Stores.ROS2_HUMBLE)) as reader:
                yield reader
        except (AnyReaderError, OSError, ValueError, KeyError, AssertionError) as error:
            if isinstance(error, EmbodiedMemError):
                raise
            raise InvalidMessage(f"the bag {self.path} cannot be read: {error}. {RECOVERY}") from error

    def _messages(self, reader: AnyReader, names: set[str]) -> Iterator[tuple[str, Any]]:
        connections = [connection for connection in reader.connections if connection.topic in names]
        if not connections:  # an empty selection would mean all of them
            return
        for connection, _, data in reader.messages(connections=connections):
            yield connection.topic, reader.deserialize(data, connection.msgtype)

    def _find_world(self, reader: AnyReader) -> str:
        """The frame above all others in the tree of poses that the depth camera hangs in."""
        names = {topic.name for topic in self.topics.tf} | {STATIC}
        if self.topics.odometry:
            names.add(self.topics.odometry.name)
        parents: dict[str, str] = {}
        camera = self._config.camera_frame or self.topics.camera_frame
        for text in self._config.static_transforms:
            parents[text.split()[1].lstrip("/")] = text.split()[0].lstrip("/")
        for _, message in self._messages(reader, names):
            for parent, child, _, _ in poses_of(message, camera):
                parents.setdefault(child.lstrip("/"), parent.lstrip("/"))
        roots = sorted(set(parents.values()) - set(parents))
        if not roots:
            raise UnsupportedEncoding(
                f"the bag {self.path} has no poses (odometry, stamped poses or /tf). Record them, or run odometry on "
                "the images first."
            )
        return next((root for root in ("map", "world", "odom") if root in roots), roots[0])


def _topics(reader: AnyReader) -> list[Topic]:
    topics = []
    for name, info in sorted(reader.topics.items()):
        sample, frame_id = _sample(reader, name, info.msgtype)
        topics.append(
            Topic(
                name=name,
                type=info.msgtype or "",
                num_messages=info.msgcount,
                sample=sample,
                frame_id=frame_id,
            )
        )
    return topics


def _sample(reader: AnyReader, name: str, kind: str | None) -> tuple[str, str]:
    """The encoding or format of a topic's first image, and its frame."""
    if kind not in (IMAGE, COMPRESSED):
        return "", ""
    connections = [connection for connection in reader.connections if connection.topic == name]
    for connection, _, data in reader.messages(connections=connections):
        message: Any = reader.deserialize(data, connection.msgtype)
        return str(message.encoding if kind == IMAGE else message.format), str(message.header.frame_id)
    return "", ""
