"""Things are named as the teacher named them, and what was named is compared with what the robot is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from embodied_mem.errors import ConfigError, InvalidMessage
from embodied_mem.policy import Observation
from embodied_mem.policy.checkpoints import load_policy
from embodied_mem.policy.flow_expert import FlowExpertConfig
from embodied_mem.policy.memory_policy import MemoryPolicy, MemoryPolicyConfig
from embodied_mem.policy.naming import HEIGHT_PX, WIDTH_PX, Naming, agreement, told_words, words_in
from embodied_mem.policy.naming_lessons import known_words, learn_naming
from embodied_mem.policy.training import Trainer, TrainingConfig
from embodied_mem.policy.training_set import Demonstration, Thing, TrainingSet
from embodied_mem.policy.ways import MEMORY, TASK

WORDS = ("coal", "snow")
COLOURS = {"coal": (15, 15, 15), "snow": (245, 245, 245)}
SIDE_PX = 20
CONFIG = MemoryPolicyConfig(
    proprio_width=2, words=WORDS,
    expert=FlowExpertConfig(action_width=2, width=16, num_heads=2, num_blocks=2, flow_steps=4),
)  # fmt: skip


def view(name: str, rng: np.random.Generator) -> tuple[np.ndarray, Thing]:
    """A grey room with something black or white somewhere in it."""
    image = grey_rooms(1, rng)[0]
    row, column = int(rng.integers(24, HEIGHT_PX - 48)), int(rng.integers(24, WIDTH_PX - 48))
    image[row : row + SIDE_PX, column : column + SIDE_PX] = COLOURS[name]
    return image, Thing(name, (column + SIDE_PX / 2) / WIDTH_PX, (row + SIDE_PX / 2) / HEIGHT_PX)


def grey_rooms(number: int, rng: np.random.Generator) -> np.ndarray:
    return rng.integers(110, 140, (number, HEIGHT_PX, WIDTH_PX, 3), dtype=np.uint8)


def shown(hidden: int, wanted: str, seed: int) -> Demonstration:
    """Two looks, one at coal and one at snow, then a wait; the choice is which of the looks showed what is wanted."""
    rng = np.random.default_rng(seed)
    other = WORDS[1 - WORDS.index(wanted)]
    order = (wanted, other) if hidden == 0 else (other, wanted)
    images, things = zip(*(view(name, rng) for name in order), strict=True)
    actions = -np.ones((4, 2), dtype=np.float32)
    actions[:, hidden] = 1.0
    return Demonstration(
        images=np.concatenate([np.stack(images), grey_rooms(2, rng)]), proprio=np.zeros((4, 2), dtype=np.float32), actions=actions,
        seconds=np.arange(4.0), is_acting=np.array([False, False, False, True]), num_before=2, hidden=hidden,
        places=np.full((4, 2), np.nan, dtype=np.float32), instruction=f"Go to where the {wanted} was.",
        things=((things[0],), (things[1],), (), ()),
    )  # fmt: skip


def demonstrations(num: int, first_seed: int = 0) -> list[Demonstration]:
    return [shown(i % 2, WORDS[i // 2 % 2], first_seed + i) for i in range(num)]


@pytest.fixture(scope="module", autouse=True)
def _on_one_thread() -> Iterator[None]:
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(num_threads)


@pytest.fixture(scope="module")
def naming() -> Naming:
    return learn_naming(demonstrations(12), WORDS, steps=12, seed=0, device=torch.device("cpu"))


def observed(images: np.ndarray, second: int) -> Observation:
    rows = len(images)
    return Observation(
        stamp_ns=np.full(rows, second * 10**9), images={"front": images},
        proprio=np.zeros((rows, 2), dtype=np.float32), slots=np.arange(rows),
    )  # fmt: skip


def test_it_names_things_that_it_has_not_seen(naming: Naming) -> None:
    rng = np.random.default_rng(99)
    names = [WORDS[i % 2] for i in range(20)]
    images = torch.from_numpy(np.stack([view(name, rng)[0] for name in names]))
    guessed = naming.names(images)[:, 0].argmax(dim=1)
    assert [WORDS[int(kind)] for kind in guessed] == names
    empty = torch.from_numpy(grey_rooms(2, rng))
    assert float(naming.names(empty).max()) < float(naming.names(images).amax(dim=2).min())


def test_the_same_seed_gives_the_same_names_and_leaves_the_callers_random_numbers() -> None:
    few, before = demonstrations(2), torch.random.get_rng_state()
    one, other = (
        learn_naming(few, WORDS, steps=2, seed=3, device=torch.device("cpu")).state_dict() for _ in range(2)
    )
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_words_are_read_whole_and_the_longest_first() -> None:
    words = ("bottle", "can", "soap bottle")
    assert words_in(words, "Bring the Soap bottle, you can.") == {"soap bottle", "can"}
    assert words_in(words, "the bottle beside the soap bottle") == {"bottle", "soap bottle"}
    assert words_in(words, "the candle") == frozenset()
    assert words_in((), "anything") == frozenset()
    assert told_words(words, ["a can", "nothing"], 2).tolist() == [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    assert told_words(words, "a can", 2).tolist() == [[0.0, 1.0, 0.0]] * 2
    assert told_words((), "a can", 3).shape == (3, 0)
    assert known_words(demonstrations(4)) == WORDS
    with pytest.raises(InvalidMessage, match="2 instructions for 3 rows"):
        told_words(words, ["a can", "nothing"], 3)


def test_what_agrees_best_counts_one_and_what_is_not_there_nothing() -> None:
    named = torch.tensor([[[0.2, 0.9], [0.1, 0.1], [0.4, 0.8]]])
    first, is_there = torch.tensor([[1.0, 0.0]]), torch.tensor([[True, True, True]])
    assert torch.allclose(agreement(named, first, is_there), torch.tensor([[0.5, 0.25, 1.0]]), atol=1e-4)
    assert not agreement(named, torch.zeros(1, 2), is_there).any()
    there = torch.tensor([[True, True, False]])
    assert torch.allclose(agreement(named, first, there), torch.tensor([[1.0, 0.5, 0.0]]), atol=1e-4)


@pytest.fixture(scope="module")
def learned(naming: Naming) -> tuple[TrainingSet, Trainer]:
    data = TrainingSet(demonstrations(24), CONFIG, naming)
    training = TrainingConfig(
        lessons=120, steps=25, batch_size=16, lesson_rate=6e-3, learning_rate=1e-2, longest_wait_s=20.0
    )
    trainer = Trainer(CONFIG, training, data, seed=0)
    trainer.run()
    return data, trainer


def choices(policy: MemoryPolicy, episodes: list[Demonstration], instruction: str | list[str]) -> list[int]:
    policy.reset()
    for second in range(4):
        chunk = policy.act(
            observed(np.stack([one.images[second] for one in episodes]), second), instruction=instruction
        )
    return [int(choice) for choice in chunk.actions[:, 0].argmax(axis=1)]


def test_what_is_wanted_is_chosen_and_another_word_changes_the_choice(
    learned: tuple[TrainingSet, Trainer], tmp_path: Path
) -> None:
    episodes = demonstrations(12, first_seed=1000)
    learned[1].save(tmp_path / "checkpoint.pt")
    policy = load_policy(tmp_path / "checkpoint.pt", num_slots=12)
    right = [one.hidden for one in episodes]
    told_right = [one.instruction for one in episodes]
    chosen = choices(policy, episodes, told_right)
    assert sum(a == b for a, b in zip(chosen, right, strict=True)) >= 11
    told_other = [f"Go to the {'snow' if 'coal' in one else 'coal'}." for one in told_right]
    others = choices(policy, episodes, told_other)
    assert sum(a != b for a, b in zip(others, right, strict=True)) >= 11


def test_what_is_replayed_is_what_stepping_keeps(learned: tuple[TrainingSet, Trainer]) -> None:
    data, trainer = learned
    policy, episode = trainer.trained(), data.demonstrations[0]
    for second in range(4):
        policy.act(observed(episode.images[second : second + 1], second), instruction=episode.instruction)
    kept, is_kept = policy.memory.cognitive.entries.held(torch.tensor([0]))
    assert torch.allclose(kept[0][is_kept[0]], data.whole[0], atol=1e-4)
    assert kept.shape[-1] == CONFIG.cognitive_width
    assert not any(weight.requires_grad for weight in policy.naming.parameters())
    for name, weight in trainer.policy.naming.state_dict().items():
        assert torch.equal(weight, data.naming.state_dict()[name])


def test_a_checkpoint_from_before_there_were_words_is_loaded_and_gone_on_with(tmp_path: Path) -> None:
    plain = MemoryPolicyConfig(proprio_width=2, expert=CONFIG.expert)
    training, data = TrainingConfig(lessons=1, steps=2, batch_size=4), TrainingSet(demonstrations(2), plain)
    Trainer(plain, training, data, seed=0).run(until=2, checkpoint=tmp_path / "c.pt")
    state = torch.load(tmp_path / "c.pt", weights_only=True)
    del state["policy"]["words"], state["training"]["naming"]
    torch.save(state, tmp_path / "c.pt")
    assert load_policy(tmp_path / "c.pt").config == plain
    trainer = Trainer(plain, training, data, seed=0)
    trainer.resume(tmp_path / "c.pt")
    assert trainer.step == 2


def test_words_need_somebody_who_names_them_and_who_saw_them() -> None:
    with pytest.raises(ConfigError, match="2 words"):
        TrainingSet(demonstrations(2), CONFIG)
    with pytest.raises(ConfigError, match=r"training\.naming is -1"):
        TrainingConfig(naming=-1)
    with pytest.raises(InvalidMessage, match="no demonstration shows ash"):
        learn_naming(demonstrations(2), ("ash", *WORDS), steps=1, seed=0, device=torch.device("cpu"))


def test_what_memory_tells_before_the_task_is_not_what_is_wanted() -> None:
    text = f"{MEMORY}coal on the table{TASK}bring the snow"
    assert told_words(WORDS, text, 1).tolist() == [[0.0, 1.0]]
