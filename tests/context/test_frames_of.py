"""What a context or an action names as its source leads to frames in the store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from embodied_mem.messages import Answer
from embodied_mem.robot_memory import RobotMemory
from embodied_mem.testing import SyntheticRoom
from tests.context.small_bank import AMPLE, make_bank


def test_every_source_leads_to_frames_also_after_a_restart(tmp_path: Path) -> None:
    frames = list(SyntheticRoom(seed=0).frames(12))
    names = [f"robot/camera/{frame.stamp_ns}" for frame in frames]
    bank = make_bank()
    with RobotMemory.open(tmp_path / "m") as memory:
        memory.banks.attach("robot", bank)
        for frame in frames:
            memory.observe(frame)
            with torch.no_grad():
                bank.step(torch.randn(2, 3, 8), frame.stamp_ns)
        context = memory.context("red mug", budget=AMPLE)
        before = {source: memory.frames_of(source) for source in context.sources}
        memory.save()
    with RobotMemory.load(tmp_path / "m") as memory:
        after = {source: memory.frames_of(source) for source in context.sources}
    assert after == before
    assert {source.partition("/")[0] for source in before} == {"fact", "robot", "bank"}
    for source, found in before.items():
        assert found
        assert set(found) <= set(names)
        if source.startswith("robot/"):
            assert found == (source,)
    (of_bank,) = (source for source in before if source.startswith("bank/"))
    first_ns, last_ns = (int(stamp) for stamp in of_bank.rpartition("/")[2].split(".."))
    assert before[of_bank] == tuple(
        name for name, frame in zip(names, frames, strict=True) if first_ns <= frame.stamp_ns <= last_ns
    )


def test_a_span_leads_to_the_frames_within_it_and_to_the_note_that_stands_for_its_first() -> None:
    still, *_ = SyntheticRoom(seed=0).frames(1)
    with RobotMemory.open() as memory:
        for robot in ("arm", "base"):
            for tenth in range(25):  # nothing moves: one frame a second is noted
                stamp_ns = still.stamp_ns + tenth * 10**8
                frame = replace(still, robot=robot, stamp_ns=stamp_ns, received_ns=stamp_ns)
                memory.observe(frame)
        start_ns = still.stamp_ns

        def frames_of(name: str, first: int, last: int) -> list[tuple[str, int]]:
            found = memory.frames_of(f"{name}{start_ns + first * 10**8}..{start_ns + last * 10**8}")
            return [(one.split("/")[0], (int(one.split("/")[2]) - start_ns) // 10**8) for one in found]

        assert frames_of("bank/arm/0/", 4, 20) == [("arm", 0), ("arm", 10), ("arm", 20)]
        assert frames_of("bank/arm/0/", 13, 13) == [("arm", 10)]
        assert frames_of("", 13, 13) == [("arm", 10), ("base", 10)]
        assert frames_of("", 10, 12) == [("arm", 10), ("base", 10)]
        assert frames_of("bank/arm/0/", 100, 200) == []
        nowhere = f"{start_ns + 10**10}..{start_ns + 2 * 10**10}"
        assert memory.questions.explain(Answer(status="known", evidence=(nowhere,))).missing == (nowhere,)


def test_sources_beyond_what_can_be_stored_lead_nowhere() -> None:
    far = "9" * 20
    with RobotMemory.open() as memory:
        for source in (f"{far}..{far}", f"robot/camera/{far}", f"fact/{far}"):
            assert memory.frames_of(source) == ()
