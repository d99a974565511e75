"""What a policy remembers survives a restart in a file, whatever its memory is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from embodied_mem.errors import ConfigError, DamagedStore, StoreError
from embodied_mem.policy import Observation
from embodied_mem.policy.flow_expert import FlowExpertConfig
from embodied_mem.policy.memory_policy import BankKind, MemoryPolicy, MemoryPolicyConfig
from embodied_mem.policy.saved_memory import load_memory, save_memory


def make_policy(bank: BankKind = "merge", seed: int = 0) -> MemoryPolicy:
    torch.manual_seed(seed)
    expert = FlowExpertConfig(width=8, num_heads=1, num_blocks=1, flow_steps=1)
    return MemoryPolicy(MemoryPolicyConfig(bank=bank, capacity=3, proprio_width=0, expert=expert))


def acted(policy: MemoryPolicy, seconds: range) -> list[tuple[object, ...]]:
    chunks = []
    for second in seconds:
        picture = np.random.default_rng(second).integers(0, 255, (1, 32, 32, 3), dtype=np.uint8)
        chunks.append(
            policy.act(
                Observation(
                    stamp_ns=np.array([second * 10**9]), images={"front": picture}, proprio=np.zeros((1, 0), np.float32)
                )
            )
        )  # fmt: skip
    return [(chunk.actions.tolist(), chunk.sources) for chunk in chunks]


@pytest.mark.parametrize("bank", ["merge", "gated", "chunks", "neural", "none"])
def test_a_policy_goes_on_from_its_file_as_if_it_had_not_stopped(bank: BankKind, tmp_path: Path) -> None:
    file = tmp_path / "new folder" / "memory.npz"
    expected = acted(make_policy(bank), range(8))
    stopped, again = make_policy(bank), make_policy(bank)
    assert load_memory(stopped, file) == {}
    found = acted(stopped, range(5))
    save_memory(stopped, file, episodes={0: "first"})
    assert load_memory(again, file) == {0: "first"}
    assert found + acted(again, range(5, 8)) == expected
    assert [one.name for one in file.parent.iterdir()] == [file.name]


def test_a_file_that_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "memory.npz"
    save_memory(make_policy(), file)
    policy = make_policy()
    acted(policy, range(2))
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    for other in (make_policy("gated"), make_policy(seed=1)):
        save_memory(other, file)
        with pytest.raises(ConfigError):
            load_memory(policy, file)
    for content in (b"", b"no archive", file.read_bytes()[:-100]):
        file.write_bytes(content)
        with pytest.raises(DamagedStore, match="Delete it"):
            load_memory(policy, file)
    with pytest.raises(StoreError, match="cannot be written"):
        save_memory(policy, file / "memory.npz")
    assert all(torch.equal(before[name], value) for name, value in policy.state_dict().items())


DAMAGED = {
    "an episode that is a list": {"episodes": "[[0, [1]]]"},
    "an episode that is no number": {"episodes": "[[0, NaN]]"},
    "a slot that the policy does not have": {"episodes": '[[1, "a"]]'},
    "a slot that is none": {"episodes": '[["0", "a"]]'},
    "episodes that are none": {"episodes": "5"},
    "a version that is text": {"schema_version": "one"},
    "several versions": {"schema_version": [1, 2]},
    "a version without end": {"schema_version": float("inf")},
}


@pytest.mark.parametrize("what", DAMAGED)
def test_a_file_with_damaged_contents_is_refused_and_changes_nothing(what: str, tmp_path: Path) -> None:
    file, policy = tmp_path / "memory.npz", make_policy()
    acted(policy, range(2))
    save_memory(policy, file, episodes={0: "a"})
    with np.load(file) as saved:
        arrays = {**saved, **DAMAGED[what]}
    np.savez(file, **arrays)
    again = make_policy()
    before = {name: value.clone() for name, value in again.state_dict().items()}
    with pytest.raises(DamagedStore, match="Delete it"):
        load_memory(again, file)
    assert all(torch.equal(before[name], value) for name, value in again.state_dict().items())


@pytest.mark.parametrize(
    ("offset", "value"),
    [(6, 109), (8, 1), (10, 8), (10, 64)],
    ids=["a later zip", "encrypted", "compressed", "compressed in a way that nobody knows"],
)
def test_an_archive_that_says_what_it_is_not_is_refused(offset: int, value: int, tmp_path: Path) -> None:
    file = tmp_path / "memory.npz"
    save_memory(make_policy(), file)
    content = bytearray(file.read_bytes())
    content[content.index(b"PK\x01\x02") + offset] = value  # in the directory, of its first array
    file.write_bytes(content)
    with pytest.raises(DamagedStore, match="Delete it"):
        load_memory(make_policy(), file)
