"""How the memory fails: one tree, so that a caller can catch as narrowly or as widely as it needs.

EmbodiedMemError
├── InvalidMessage (ValueError)      a message that cannot be true: shape, dtype, NaN, negative depth
│   ├── InvalidPose                  a transform that is not rigid
│   ├── UnsupportedEncoding          an image or topic format that nobody here can read
│   └── UnknownSlot                  a bank has no such slot, or it was named twice in one step
├── StampRunsBackwards (ValueError)  a sensor's clock went back where order matters
├── InvalidQuery (ValueError)        a question that cannot be asked
│   ├── UnknownEntity                no entity with that id
│   └── ImpossibleInterval           it ends before it starts
├── StoreError
│   ├── DamagedStore                 what is on disk fails its checksum
│   ├── NewerSchema                  written by a later version than this one
│   └── StoreInUse                   another process writes to it
├── ConfigError (ValueError)
│   └── UnknownConfigKey             with the nearest valid key
└── MissingExtra (ImportError)       an optional package is not installed; names the line that installs it

Every message says what happened, the value, what is allowed, and what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class EmbodiedMemError(Exception):
    """Base of every error that the package raises on purpose."""


class InvalidMessage(EmbodiedMemError, ValueError):
    """A message whose content cannot be true."""


class InvalidPose(InvalidMessage):
    """A 4x4 transform that is not a rigid motion."""


class UnsupportedEncoding(InvalidMessage):
    """An image encoding or file format that cannot be read."""


class UnknownSlot(InvalidMessage):
    """A bank's slot that does not exist, or that one step names twice."""


class StampRunsBackwards(EmbodiedMemError, ValueError):
    """A frame older than the last one of the same robot and sensor, where order matters."""


class InvalidQuery(EmbodiedMemError, ValueError):
    """A question that cannot be asked."""


class UnknownEntity(InvalidQuery):
    """No entity has that id."""


class ImpossibleInterval(InvalidQuery):
    """An interval that ends before it starts."""


class AlignmentRefused(EmbodiedMemError, ValueError):
    """Two maps could not be aligned with confidence."""


class StoreError(EmbodiedMemError):
    """What is on disk cannot be used."""


class DamagedStore(StoreError):
    """A checksum on disk does not match the content."""


class NewerSchema(StoreError):
    """Written by a later version of the package than this one."""


class StoreInUse(StoreError):
    """Another process holds the store for writing."""


class ConfigError(EmbodiedMemError, ValueError):
    """A configuration value that cannot be used."""


class UnknownConfigKey(ConfigError):
    """A key that no configuration dataclass has."""


class MissingExtra(EmbodiedMemError, ImportError):
    """An optional package is not installed; the message names the line that installs it."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'x'?`, or an empty string when nothing known is near `name`."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""
