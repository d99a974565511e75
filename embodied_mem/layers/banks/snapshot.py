"""What a bank remembers as named arrays and back, without its weights: checked whole before anything changes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from embodied_mem.errors import ConfigError, DamagedStore, NewerSchema

SCHEMA_VERSION = 1
HEADER = ("schema_version", "kind", "weights")


def memory_arrays(bank: nn.Module) -> dict[str, np.ndarray]:
    """A copy of everything that the bank remembers, of all slots; `np.savez(file, **memory_arrays(bank))` keeps it.

    After `restore_memory` into a bank with the same weights, also in another process, outputs are bit-equal to those of
    the bank that went on.
    """
    header = {
        "schema_version": np.array(SCHEMA_VERSION, dtype=np.int32),
        "kind": np.array(type(bank).__name__, dtype=np.str_),
        "weights": np.array(_fingerprint(bank), dtype=np.str_),
    }
    return header | {name: buffer.detach().cpu().numpy().copy() for name, buffer in bank.named_buffers()}


def restore_memory(bank: nn.Module, arrays: Mapping[str, np.ndarray]) -> None:
    """Remember what `memory_arrays` gave instead of what is remembered now; nothing changes when it is refused.

    Raises:
        NewerSchema: written by a later version.
        DamagedStore: arrays are missing or too many, or of another shape or type, or their schema is no number.
        ConfigError: from another kind of bank, or with other weights, to which these memories would mean something else.
    """
    missing = [name for name in HEADER if name not in arrays]
    if missing:
        raise DamagedStore(f"the bank's arrays lack {missing}; nothing was changed. Load another save.")
    version = _version(arrays["schema_version"])
    if version > SCHEMA_VERSION:
        raise NewerSchema(
            f"the bank's arrays have schema {version}; this version reads up to {SCHEMA_VERSION}. Update embodied_mem."
        )
    kind, present = str(arrays["kind"]), type(bank).__name__
    if kind != present or str(arrays["weights"]) != _fingerprint(bank):
        what = f"are of a {kind}, not a {present}" if kind != present else "were made with other weights"
        raise ConfigError(
            f"the memories {what}; nothing was changed. Load the policy's checkpoint of that time first, or reset()."
        )
    buffers = dict(bank.named_buffers())
    _check(buffers, {name: array for name, array in arrays.items() if name not in HEADER})
    saved = {name: torch.from_numpy(np.array(arrays[name])) for name in buffers}
    bank.load_state_dict(saved, strict=False)
    for name in buffers.keys() - bank.state_dict().keys():  # not persistent: of no checkpoint, but remembered
        buffers[name].copy_(saved[name])


def _version(array: np.ndarray) -> int:
    version = np.asarray(array)
    if version.shape or version.dtype.kind not in "iu" or version < 1:
        what = f"{version.dtype} of shape {version.shape}" if version.shape else repr(version.item())
        raise DamagedStore(
            f"the schema_version of the bank's arrays is {what}, no whole number from 1; nothing was changed. "
            "Load another save."
        )
    return int(version)


def _check(buffers: Mapping[str, torch.Tensor], arrays: Mapping[str, np.ndarray]) -> None:
    if buffers.keys() != arrays.keys():
        raise DamagedStore(
            f"the bank's arrays differ in {sorted(buffers.keys() ^ arrays.keys())}; nothing was changed. Load another save."
        )
    for name, buffer in buffers.items():
        expected, array = buffer.detach().cpu().numpy(), arrays[name]
        if array.shape != expected.shape or array.dtype != expected.dtype:
            raise DamagedStore(
                f"the bank's {name} is {array.dtype} of shape {array.shape}, not {expected.dtype} of shape "
                f"{expected.shape}; nothing was changed. Make the bank with the options that it was saved with."
            )


def _fingerprint(bank: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, parameter in sorted(bank.named_parameters()):
        digest.update(name.encode())
        digest.update(parameter.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
