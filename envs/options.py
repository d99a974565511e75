"""How every environment reads its options: unknown names and values out of range are refused with what is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from embodied_mem.errors import ConfigError, UnknownConfigKey, did_you_mean

Config = TypeVar("Config")


class CheckedOptions:
    """For configs that look at their own fields when they are built."""

    def _require(self, name: str, holds: bool, allowed: str) -> None:
        if not holds:
            raise ConfigError(
                f"{name} is {getattr(self, name)!r}; allowed: {allowed}. Change it in the env's options."
            )


def from_options(kind: type[Config], options: Mapping[str, Any], env: str) -> Config:
    """A config from keyword options; an unknown one is refused with the nearest valid name. `env` names the env."""
    known = [f.name for f in fields(kind)]  # type: ignore[arg-type]  # configs are dataclasses
    for name in options:
        if name not in known:
            raise UnknownConfigKey(
                f"the {env} env has no option {name!r}; it has {known}.{did_you_mean(name, known)}"
            )
    return kind(**options)
