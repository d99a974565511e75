"""The spine: a robot looks, the memory understands and keeps, and answers.

    Frame ──perceive──▶ Percept ──update──▶ occupancy, world ──recall──▶ Answer, Context

`observe` and `record` are the only ways in, `recall`, `context` and the typed questions the only ways out; `save`, `load`,
`reset` and `forget` keep house. Shells (ROS node, simulators, command line, benchmarks) call these and nothing deeper.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import Float

from embodied_mem.context import Recall
from embodied_mem.context.context import ContextMaker
from embodied_mem.context.context_banks import BankShelf
from embodied_mem.context.context_draft import ContextConfig
from embodied_mem.context.explaining import frames_behind
from embodied_mem.context.home_labels import HomeLabels
from embodied_mem.context.storeys import floor_plan
from embodied_mem.errors import DamagedStore, InvalidQuery, StampRunsBackwards, StoreError
from embodied_mem.geometry import Box
from embodied_mem.layers.occupancy import (
    AtlasConfig,
    LitRegion,
    MapSnapshot,
    OccupancyConfig,
    OccupancyLayer,
    ProductCode,
    SemanticGrid,
    SubmapAtlas,
    SubmapConfig,
    TextEncoder,
)
from embodied_mem.layers.world import WorldConfig, WorldLayer
from embodied_mem.messages import (
    Answer,
    Audit,
    Budget,
    Change,
    Context,
    Entity,
    Event,
    FloorPlan,
    Frame,
    Interval,
    Location,
    MapChange,
    ObservedInstance,
    ObserveReport,
    Operation,
    Percept,
    PinholeCamera,
    PoseCorrection,
    Query,
    Region,
    Stay,
    WorldDelta,
)
from embodied_mem.perception import Perception, PerceptionConfig
from embodied_mem.perception.label_memory import LabelMemoryConfig
from embodied_mem.store.memory_folder import MemoryFolder
from embodied_mem.store.sqlite import SqliteRepository


@dataclass(frozen=True, kw_only=True)
class RobotMemoryConfig:
    """Every option of the memory. `autosave_s` of observed time lie between automatic saves; 0 turns them off.

    With `adapts_labels` the words of a detector that gives embeddings are corrected by what this home's well-known
    things look like.
    """

    perception: PerceptionConfig = field(default_factory=PerceptionConfig)
    occupancy: OccupancyConfig = field(default_factory=OccupancyConfig)
    submaps: SubmapConfig = field(default_factory=SubmapConfig)
    world: WorldConfig = field(default_factory=WorldConfig)
    context: ContextConfig = field(default_factory=ContextConfig)
    labels: LabelMemoryConfig = field(default_factory=LabelMemoryConfig)
    adapts_labels: bool = False
    autosave_s: float = 60.0


class RobotMemory:
    """One place's memory, fed by one or more robots. Safe to ask from other threads while it observes.

    Open it with `RobotMemory.open(path)` (goes on where it stopped, also after a crash), `RobotMemory.load(path)`
    (the state of the last save) or `RobotMemory.open()` (in RAM only). Use it as a context manager, or `close` it.
    """

    def __init__(
        self, folder: MemoryFolder | None, config: RobotMemoryConfig, codebook: ProductCode | None = None
    ) -> None:
        self.config = config
        self._folder = folder
        self._perception = Perception(config.perception)
        self._occupancy = _new_map(config, codebook)
        self._repository = SqliteRepository(folder.live_database if folder else ":memory:")
        self._world = WorldLayer(self._repository, config.world)
        # Taken in this order. Questions take the last alone: they do not wait for perception, the map or a save.
        self._write_lock, self._map_lock = threading.RLock(), threading.RLock()
        self._world_lock = threading.RLock()
        self.questions = Recall(self._world, self._floor, guard=self._reading)
        """Every further question: events, visits, rooms, relations, ways, explanations."""
        self.banks = BankShelf()
        """The banks of the policies that use this memory, saved and loaded with it."""
        self._contexts = ContextMaker(self._world, self.banks, config.context, lock=self._world_lock)
        self._labels = HomeLabels(self._world, config.labels) if config.adapts_labels else None
        self._last_save_ns: int | None = None
        self.num_frames = 0

    @classmethod
    def open(
        cls,
        path: str | Path | None = None,
        config: RobotMemoryConfig | None = None,
        *,
        codebook: ProductCode | None = None,
    ) -> RobotMemory:
        """The memory in folder `path`, created when new, going on where it stopped; None keeps it in RAM.

        Facts are as of the last observed frame, even after `kill -9`; the map is as of the last save. With a `codebook`
        the map keeps what places look like (`find_regions`); a map that was saved with one brings it along.

        Raises:
            StoreInUse: another process has it open.
            DamagedStore, NewerSchema: what is on disk cannot be used; the message says what to do.
        """
        config = config or RobotMemoryConfig()
        if path is None:
            return cls(None, config, codebook)
        folder = MemoryFolder(Path(path))
        try:
            generation = folder.newest()
            if generation is not None and not folder.live_database.exists():
                folder.restore_live(generation)
            saved_map = {} if generation is None else _read_arrays(generation / "occupancy.npz")
            memory = cls(folder, config, codebook or ProductCode.within(saved_map))
            if generation is not None:
                memory._occupancy.load_state(saved_map)
                memory.banks.load(_read_arrays(generation / "banks.npz"))
                memory._contexts.load(_read_arrays(generation / "keyframes.npz"))
        except BaseException:
            folder.close()
            raise
        return memory

    @classmethod
    def load(cls, path: str | Path, config: RobotMemoryConfig | None = None) -> RobotMemory:
        """The memory in folder `path` exactly as it was last saved; what came after that save is dropped.

        Raises:
            StoreError: there is no save, or as for `open`.
        """
        if not Path(path).is_dir():
            raise StoreError(f"no memory folder at {path}; RobotMemory.open(path) starts a new one.")
        folder = MemoryFolder(Path(path))
        try:
            generation = folder.newest()
            if generation is None:
                raise StoreError(f"nothing was saved at {path} yet; open it with RobotMemory.open(path).")
            folder.restore_live(generation)
        finally:
            folder.close()
        return cls.open(path, config)

    # -- in ---------------------------------------------------------------------------------------------------

    def observe(self, frame: Frame) -> ObserveReport:
        """Understand a frame and remember it; committed to disk when this returns.

        A frame older than the last one of its robot and sensor is refused by the map (`map_refusal` says why) and
        still taken by the world model, which knows when things were true. What the map notices to appear, vanish or move
        is recorded as an event of the actor "map", whether or not anything is called by a name there.

        Raises:
            InvalidMessage: perception cannot use it (a distorted camera, say); nothing was changed.
            InvalidQuery: its features have another size than the codebook; nothing was changed.
        """
        percept = self._perception.perceive(frame)
        with self._write_lock:
            percept = percept if self._labels is None else self._labels.relabeled(percept)
            map_change, map_refusal = self._update_map(percept)
            with self._world_lock:
                world_delta = self._world.update(percept)
                for noticed in () if map_change is None else map_change.events:
                    self._world.record(noticed.as_event(), frame.known_ns)
                if self._labels is not None:
                    self._labels.learn(percept, world_delta)
            self._contexts.note_frame(frame, world_delta)
            self.num_frames += 1
            self._autosave(frame.stamp_ns)
        return ObserveReport(map_change=map_change, map_refusal=map_refusal, world_delta=world_delta)

    def record(self, event: Event, *, known_ns: int | None = None) -> WorldDelta:
        """Remember something that the robot did or saw happen, known since `known_ns` (default: its end)."""
        with self._write_lock, self._world_lock:
            delta = self._world.record(event, event.end_ns if known_ns is None else known_ns)
            self._contexts.note(delta)
        return delta

    def adopt(
        self, things: Sequence[ObservedInstance], *, stamp_ns: int, robot: str = "import"
    ) -> WorldDelta:
        """Take in things that somebody else knows of, as if `robot` had seen them for three seconds; the map stays."""
        camera = PinholeCamera(fx=1.0, fy=1.0, cx=0.5, cy=0.5, width_px=2, height_px=2)
        nothing = np.zeros((2, 2), dtype=np.float32)
        added: dict[str, None] = {}
        with self._write_lock, self._world_lock:
            for turn in range(3):  # what was seen fewer times counts as a false detection once it is missed
                frame = Frame(
                    stamp_ns=stamp_ns + turn * 1_000_000_000, camera=camera, T_world_camera=np.eye(4),
                    depth_m=nothing, robot=robot, sensor="import",
                )  # fmt: skip
                delta = self._world.update(Percept(frame=frame, instances=tuple(things)))
                self._contexts.note(delta)
                added.update(dict.fromkeys(delta.added))
        return WorldDelta(seen=delta.seen, added=tuple(added))

    def write(self, operation: Operation, *, known_ns: int | None = None) -> Audit:
        """Carry out what a person or a language model states: ADD, UPDATE, DELETE (ends, never erases), NOOP, or MERGE
        (two things are one) and SPLIT (undo a merge).

        Raises:
            InvalidQuery: the entity, the predicate or what is to be ended, merged or split does not exist.
        """
        with self._write_lock, self._world_lock:
            audit = self._world.write(operation, known_ns)
            self._contexts.note(WorldDelta(seen=(audit.subject,) if audit.subject else ()))
        return audit

    # -- out --------------------------------------------------------------------------------------------------

    def recall(self, query: Query) -> Answer[Any]:
        """Answer a question that came as data; the methods below, by `query.kind`."""
        times = {"as_of_ns": query.as_of_ns, "known_at_ns": query.known_at_ns}
        match query.kind:
            case "where":
                return self.where(_entity_of(query), **times)
            case "history":
                return self.history(_entity_of(query), known_at_ns=query.known_at_ns)
            case "find":
                return self.find(
                    query.entity, label=query.label, attributes=query.attributes, region=query.region,
                    interval=query.interval, k=query.k, **times,
                )  # fmt: skip
            case "changes":
                since_ns = query.interval.from_ns if query.interval else None
                return self.changes(region=query.region, since_ns=since_ns, known_at_ns=query.known_at_ns)
            case "count":
                label = query.label or query.entity
                if label is None:
                    raise InvalidQuery("count needs a label, such as Query(kind='count', label='mug').")
                return self.count(label, attributes=query.attributes, region=query.region, **times)
        raise InvalidQuery(f"no question of kind {query.kind!r}; ask where, find, history, changes or count.")

    def where(
        self, entity: str, *, as_of_ns: int | None = None, known_at_ns: int | None = None
    ) -> Answer[Location]:
        """Where an entity (an id such as 'e17', or words such as 'red mug') was at `as_of_ns` (None: is now),
        as the memory knew it at `known_at_ns` (None: knows now). Several things that fit make it ambiguous.

        Raises:
            UnknownEntity: no entity has that id.
        """
        with self._world_lock:
            return self._world.where(entity, as_of_ns=as_of_ns, known_at_ns=known_at_ns)

    def find(
        self,
        text: str | None = None,
        *,
        label: str | None = None,
        attributes: Mapping[str, str] | None = None,
        region: Region | None = None,
        interval: Interval | None = None,
        as_of_ns: int | None = None,
        known_at_ns: int | None = None,
        k: int = 10,
    ) -> Answer[tuple[Location, ...]]:
        """Up to `k` entities that fit words, label, attributes (`{"color": "red"}`), region, interval; best first.

        Words that are no label are looked for in synonyms and in what was stated. `questions.find` takes an
        appearance vector and an order, too.
        """
        region = self._resolved(region)
        with self._world_lock:
            answer = self._world.find(
                text, label=label, attributes=attributes or {}, region=region, interval=interval,
                as_of_ns=as_of_ns, known_at_ns=known_at_ns, k=k,
            )  # fmt: skip
        if answer.status == "known" or text is None:
            return answer
        return self.questions.find(
            text, label=label, attributes=attributes, region=region, interval=interval, order="score",
            as_of_ns=as_of_ns, known_at_ns=known_at_ns, k=k,
        )  # fmt: skip

    def history(self, entity: str, *, known_at_ns: int | None = None) -> Answer[tuple[Stay, ...]]:
        """Where an entity has been, in order of time."""
        with self._world_lock:
            return self._world.history(entity, known_at_ns=known_at_ns)

    def changes(
        self, *, region: Region | None = None, since_ns: int | None = None, known_at_ns: int | None = None
    ) -> Answer[tuple[Change, ...]]:
        """What appeared, vanished or moved in a region since a stamp, with time bounds, in order of time."""
        region = self._resolved(region)
        with self._world_lock:
            return self._world.changes(region=region, since_ns=since_ns, known_at_ns=known_at_ns)

    def count(
        self,
        label: str,
        *,
        attributes: Mapping[str, str] | None = None,
        region: Region | None = None,
        as_of_ns: int | None = None,
        known_at_ns: int | None = None,
    ) -> Answer[int]:
        """How many things of a label there are in a region."""
        region = self._resolved(region)
        with self._world_lock:
            return self._world.count(
                label, region=region, attributes=attributes or {}, as_of_ns=as_of_ns, known_at_ns=known_at_ns
            )

    @property
    def num_entities(self) -> int:
        """How many `entities()` there are; never waits for a frame that is being written."""
        return self._world.num_entities

    def entities(self) -> tuple[Entity, ...]:
        """Everything the memory knows of, as believed now, present or not."""
        with self._world_lock:
            return self._world.entities()

    def context(
        self, instruction: str, *, budget: Budget = Budget(), robot: str | None = None, slot: int = 0
    ) -> Context:
        """What a policy gets for an instruction: things, keyframes, bank entries and text within a budget of tokens
        and milliseconds, in the frame of `robot` (None: the one that observed last); `slot` is the robot's in the banks.

        Raises:
            InvalidQuery: no robot of that name has observed anything.
            UnknownSlot: banks are attached, and none of them has the slot.
        """
        return self._contexts.context(instruction, budget=budget, robot=robot, slot=slot)

    def frames_of(self, source: str) -> tuple[str, ...]:
        """Which frames are kept, as a note or a picture, behind what a context, an answer or an action names as its source.

        They are named `robot/sensor/stamp_ns`, oldest first; `questions.explain` tells more of those that were noted. A
        source is a fact, a frame, a bank with the span of what was read, or a span (`first_ns..last_ns`).
        """
        noted = self.questions.explain(Answer(status="known", evidence=(source,))).frames
        return frames_behind(source, noted, self._contexts.album.views)

    def map_snapshot(self) -> MapSnapshot:
        """The occupancy map as immutable arrays, for pictures, clouds and planners."""
        with self._map_lock:
            return self._occupancy.snapshot()

    def semantic_grid(self, box: Box, voxel_m: float = 0.08) -> SemanticGrid:
        """The box as voxels: how likely each is occupied, and by what; NaN where nothing is known."""
        with self._map_lock:
            return self._occupancy.semantic_grid(box, voxel_m)

    def find_regions(
        self,
        what: str | Float[np.ndarray, "d"],
        *,
        encoder: TextEncoder | None = None,
        min_similarity: float = 0.5,
        min_cells: int = 1,
    ) -> list[LitRegion]:
        """Where the map looks like `what`: an embedding, or a text that `encoder` turns into one; the most alike first.

        Places look like the embeddings of the detections, or like `Frame.features`, that were seen there.

        Raises:
            InvalidQuery: the memory keeps no codes, a text came without an encoder, or the embedding has another size.
        """
        if isinstance(what, str):
            if encoder is None:
                raise InvalidQuery(
                    f"find_regions needs an encoder for the text {what!r}; give find_regions(text, encoder=...), a "
                    "function from a text to its embedding, or the embedding itself."
                )
            what = encoder(what)
        with self._map_lock:
            return self._occupancy.find(np.asarray(what), min_similarity=min_similarity, min_cells=min_cells)

    # -- house ------------------------------------------------------------------------------------------------

    def save(self, path: str | Path | None = None) -> Path:
        """Write one generation (database, map, keyframes and banks under one manifest) into the memory's folder, or into `path`.

        Returns the generation's folder. The one before is kept until the new one is whole.
        """
        if path is None and self._folder is None:
            raise StoreError(
                "this memory lives in RAM only; give save(path) a folder, or open it with a path."
            )
        if path is None or (self._folder is not None and Path(path).resolve() == self._folder.path.resolve()):
            assert self._folder is not None
            with self._write_lock:  # saves follow one another, those that frames set off included
                return self._folder.write_generation(self._write_generation)
        other = MemoryFolder(Path(path))
        try:
            generation = other.write_generation(self._write_generation)
            other.restore_live(generation)
            return generation
        finally:
            other.close()

    def forget(self, entity_id: str) -> None:
        """Erase an entity with all its facts, changes and features (not undoable; earlier saves still have it).

        The map and the banks of policies, which know no entities, keep what they saw.
        """
        with self._write_lock, self._world_lock:
            self._world.forget(entity_id)
            self._contexts.forget(entity_id)
            (self._labels or HomeLabels(self._world, self.config.labels)).forget_strangers()

    def correct(self, correction: PoseCorrection) -> None:
        """Move the map to where a corrected trajectory has it, without building it anew.

        Facts about things keep the places at which they were seen; the next look puts them right.

        Raises:
            InvalidQuery: the memory keeps one map (`config.submaps.max_submaps` is 0).
        """
        if not isinstance(self._occupancy, SubmapAtlas):
            raise InvalidQuery(
                "this memory keeps one map, which cannot be corrected; open it with submaps.max_submaps above 0, such "
                "as RobotMemoryConfig(submaps=SubmapConfig(max_submaps=50))."
            )
        with self._map_lock:
            self._occupancy.correct_trajectory(correction)

    def reset(self) -> None:
        """Empty the map, the world model, keyframes and banks; earlier saves are kept."""
        with self._write_lock, self._map_lock, self._world_lock:
            self._occupancy.reset()
            self._world.reset()
            if self._labels is not None:
                self._labels = HomeLabels(self._world, self.config.labels)
            self._contexts.reset()
            self.banks.reset()
            self._last_save_ns, self.num_frames = None, 0

    def close(self) -> None:
        """Close the database and give the folder's lock back. Closing twice is fine."""
        with self._world_lock:
            self._repository.close()
        if self._folder is not None:
            self._folder.close()

    def __enter__(self) -> RobotMemory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _resolved(self, region: Region | None) -> Region | None:
        """`region` with the area of the room that it names."""
        return region if region is None or region.room is None else self.questions.region(region)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._map_lock, self._world_lock:
            yield

    def _floor(self) -> FloorPlan | None:
        """The map as floor plans."""
        with self._map_lock:
            occupied = self._occupancy.snapshot().occupied()
            return floor_plan(self._occupancy.free_cells(), occupied.means_world, occupied.cell_m)

    def _update_map(self, percept: Percept) -> tuple[MapChange | None, str]:
        with self._map_lock:
            try:
                return self._occupancy.update(percept), ""
            except StampRunsBackwards as late:
                return None, str(late)

    def _autosave(self, stamp_ns: int) -> None:
        if self._folder is None or self.config.autosave_s <= 0:
            return
        if self._last_save_ns is None:
            self._last_save_ns = stamp_ns
        elif stamp_ns - self._last_save_ns >= self.config.autosave_s * 1e9:
            self.save()
            self._last_save_ns = stamp_ns

    def _write_generation(self, folder: Path) -> None:
        with self._write_lock:  # nothing is written between map and database, while questions go on
            with self._map_lock:
                state = self._occupancy.state()
            self._repository.backup_to(folder / "world.sqlite")
            keyframes = self._contexts.arrays()
        np.savez(folder / "occupancy.npz", **state)  # type: ignore[arg-type]
        np.savez(folder / "keyframes.npz", **keyframes)  # type: ignore[arg-type]
        np.savez(folder / "banks.npz", **self.banks.arrays())  # type: ignore[arg-type]


def _new_map(config: RobotMemoryConfig, codebook: ProductCode | None) -> OccupancyLayer | SubmapAtlas:
    submaps = config.submaps
    if submaps.max_submaps == 0:
        return OccupancyLayer(config.occupancy, codebook)
    return SubmapAtlas(
        AtlasConfig(
            submap=config.occupancy, travel_m=submaps.travel_m, turn_rad=submaps.turn_rad,
            max_submaps=submaps.max_submaps,
        ),
        codebook,
    )  # fmt: skip


def _entity_of(query: Query) -> str:
    if query.entity is None:
        raise InvalidQuery(f"{query.kind} needs an entity: an id such as 'e17', or words such as 'red mug'.")
    return query.entity


def _read_arrays(file: Path) -> dict[str, np.ndarray]:
    """The arrays of a saved file; none where an earlier version did not write it."""
    if not file.exists() and file.name != "occupancy.npz":
        return {}
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError) as error:
        raise DamagedStore(f"{file} cannot be read ({error}).") from error
