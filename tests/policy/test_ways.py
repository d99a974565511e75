"""Memory in the prompt, as cameras and as prefix tokens of a real transformer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from embodied_mem.errors import InvalidMessage
from embodied_mem.layers.banks import PerceptualBank, PerceptualBankConfig
from embodied_mem.messages import Budget, Context
from embodied_mem.policy import Observation, PrefixTokens
from embodied_mem.policy.ways import fitted, prompt, prompts, task_of, with_keyframes
from embodied_mem.robot_memory import RobotMemory
from embodied_mem.testing import SyntheticRoom

from .patch_policy import PatchPolicy


@pytest.fixture(scope="module")
def contexts() -> Iterator[tuple[Context, Context]]:
    """Of a memory with a bank, all about the mug and a little about the book."""
    room = SyntheticRoom(seed=0)
    with RobotMemory.open() as memory:
        for frame in room.frames(12):
            memory.observe(frame)
        bank = PerceptualBank(PerceptualBankConfig(num_tokens=2, token_width=6, capacity=4))
        memory.banks.attach("robot", bank)
        with torch.no_grad():
            bank.step(torch.ones(1, 2, 6), 0)
        ample = Budget(tokens=4096, ms=1e6)
        yield (
            memory.context("red mug", budget=ample),
            memory.context("book", budget=Budget(tokens=90, ms=1e6)),
        )


def seen(num_rows: int = 1, size: int = 32) -> Observation:
    return Observation(
        stamp_ns=np.zeros(num_rows, dtype=np.int64), proprio=np.zeros((num_rows, 0), dtype=np.float32),
        images={"front": np.full((num_rows, size, size, 3), 9, dtype=np.uint8)}, slots=np.arange(num_rows),
    )  # fmt: skip


def test_the_prompt_tells_the_memory_before_the_task(contexts: tuple[Context, Context]) -> None:
    told = prompt("bring the red mug", contexts[0])
    assert told.startswith("Memory:\n")
    assert "- red mug e" in told
    assert told.endswith("Task: bring the red mug")
    assert task_of(told) == task_of("bring the red mug") == "bring the red mug"
    assert prompt("go", None) == "go"
    assert prompts(["a", "b"], list(contexts), 2)[1].endswith("Task: b")


def test_keyframes_become_cameras_and_missing_ones_are_masked(contexts: tuple[Context, Context]) -> None:
    num = len(contexts[0].keyframes)
    names = [f"memory_{i}" for i in range(num + 1)]
    extended, masks = with_keyframes(seen(2), [contexts[0], contexts[1]], cameras=names)
    assert list(extended.images) == ["front", *names]
    assert [bool(masks[name][0]) for name in names] == [True] * num + [False]
    assert extended.images["memory_0"].shape == (2, 32, 32, 3)
    assert extended.images["memory_0"][0].max() > 0
    assert extended.images[names[-1]].max() == 0
    assert np.array_equal(extended.images["front"], seen(2).images["front"])
    with pytest.raises(InvalidMessage, match="free"):
        with_keyframes(seen(), None, cameras=["front"])


def test_a_picture_keeps_its_shape() -> None:
    wide = np.full((10, 40, 3), 200, dtype=np.uint8)
    inside = fitted(wide, 20, 20)
    assert inside.shape == (20, 20, 3)
    assert (inside.max(axis=(1, 2)) > 0).sum() == 5


def with_prefix(context: Context) -> tuple[PatchPolicy, PrefixTokens]:
    torch.manual_seed(0)
    width = context.entities.vectors.shape[1]
    return PatchPolicy().eval(), PrefixTokens(
        width=16, vector_width=width, bank_widths={"robot": 6}, num_tokens=12
    )


def test_prefix_tokens_change_what_a_transformer_does_and_leave_no_trace(
    contexts: tuple[Context, Context],
) -> None:
    policy, prefix = with_prefix(contexts[0])
    image = torch.randn(1, 5, 6)
    bare = policy(image)
    prefix.attach(policy.encoder)
    assert torch.equal(policy(image), bare)
    with prefix.of(contexts[0]):
        about_mug = policy(image)
    with prefix.of(contexts[1]):
        about_book = policy(image)
    assert not torch.allclose(about_mug, bare, atol=1e-4)
    assert not torch.allclose(about_mug, about_book, atol=1e-5)
    prefix.detach()
    assert torch.equal(policy(image), bare)
    assert not policy.encoder._forward_hooks
    assert not policy.encoder._forward_pre_hooks


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16, torch.float64])
def test_prefix_tokens_take_on_the_precision_of_the_transformer(
    contexts: tuple[Context, Context], precision: torch.dtype
) -> None:
    policy, prefix = with_prefix(contexts[0])
    policy.to(precision)
    image = torch.randn(1, 5, 6, dtype=precision)
    bare = policy(image)
    prefix.attach(policy.encoder)
    with prefix.of(contexts[0]):
        told = policy(image)
    assert told.dtype == precision
    assert not torch.allclose(told, bare, atol=1e-2)


class Named(nn.Module):
    """Gives its tokens as the encoders of transformers do."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        return {"last_hidden_state": self.encoder(tokens)}


def test_a_prefix_is_cut_from_tokens_that_have_a_name(contexts: tuple[Context, Context]) -> None:
    policy, prefix = with_prefix(contexts[0])
    named, tokens = Named(policy.encoder), torch.randn(1, 5, 16)
    prefix.attach(named)
    with prefix.of(contexts[0]):
        told = named(tokens)["last_hidden_state"]
    assert told.shape == tokens.shape
    assert not torch.allclose(told, named(tokens)["last_hidden_state"], atol=1e-4)


def test_a_transformer_learns_to_read_its_prefix(contexts: tuple[Context, Context]) -> None:
    policy, prefix = with_prefix(contexts[0])
    prefix.attach(policy.encoder)
    policy.requires_grad_(False)
    image, wanted = torch.zeros(2, 5, 6), torch.tensor([[1.0, 0, 0], [0, 1.0, 0]])
    optimizer = torch.optim.Adam(prefix.parameters(), lr=0.02)
    losses = []
    for _ in range(120):
        with prefix.of(list(contexts), num_rows=2):
            loss = nn.functional.mse_loss(policy(image), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.02


def test_tokens_say_which_of_them_tell_something(contexts: tuple[Context, Context]) -> None:
    _, prefix = with_prefix(contexts[0])
    tokens, mask = prefix([contexts[0], None])
    num = int(contexts[0].entities.mask.sum()) + 1
    assert mask.sum(dim=1).tolist() == [num, 0]
    assert torch.equal(tokens[1], prefix.nothing.expand(12, -1) + prefix.ranks)


def test_what_does_not_fit_is_refused(contexts: tuple[Context, Context]) -> None:
    policy, prefix = with_prefix(contexts[0])
    prefix.attach(policy.patches)
    with prefix.of(contexts[0]), pytest.raises(InvalidMessage, match="same width"):
        policy(torch.randn(1, 5, 6))
    with pytest.raises(InvalidMessage, match="attached already"):
        prefix.attach(policy.encoder)
    prefix.detach()
    passing = nn.Identity()
    prefix.attach(passing)
    with prefix.of(contexts[0]), pytest.raises(InvalidMessage, match="int64"):
        passing(torch.ones(1, 5, 16, dtype=torch.int64))
    narrow = PrefixTokens(width=16, vector_width=3)
    with pytest.raises(InvalidMessage, match="3"):
        narrow([contexts[0]])
