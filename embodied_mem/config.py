"""One schema, three front ends: every option is a field of a frozen dataclass beside the component it sets.

Hydra YAML, ROS parameters and CLI flags only choose and override those fields; this module walks a dataclass
into dotted options, and builds one from a plain mapping, refusing keys that it does not have.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from embodied_mem.errors import ConfigError, UnknownConfigKey, did_you_mean

C = TypeVar("C")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Option:
    """One leaf of a configuration: its dotted name, type, default, and the docstring of its class."""

    name: str
    type: Any
    default: Any
    owner: type


def options(config: type | object, prefix: str = "") -> Iterator[Option]:
    """Every leaf option of a config dataclass (or an instance, whose values are then the defaults), in order."""
    owner = config if isinstance(config, type) else type(config)
    instance = config() if isinstance(config, type) else config
    hints = typing.get_type_hints(owner)
    for field in dataclasses.fields(owner):
        value = getattr(instance, field.name)
        name = f"{prefix}{field.name}"
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            yield from options(value, f"{name}.")
        else:
            yield Option(name=name, type=hints[field.name], default=value, owner=owner)


def build(cls: type[C], values: Mapping[str, Any], *, at: str = "") -> C:
    """A `cls` with `values` over its defaults; nested mappings build nested dataclasses.

    Raises:
        UnknownConfigKey: a key that `cls` has not, with the nearest one that it has.
        ConfigError: a value of the wrong type.
    """
    fields = {field.name: field for field in dataclasses.fields(typing.cast(Any, cls))}
    hints = typing.get_type_hints(cls)
    chosen: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{at}{key}"
        if key not in fields:
            raise UnknownConfigKey(
                f"unknown configuration key {name!r}; {cls.__name__} has {sorted(fields)}."
                f"{did_you_mean(str(key), fields)}"
            )
        chosen[key] = _convert(hints[key], value, name)
    return cls(**chosen)


def override(config: C, dotted: Mapping[str, Any]) -> C:
    """`config` with dotted options replaced, such as `{"occupancy.cell_m": 0.05}`."""
    nested: dict[str, Any] = {}
    for name, value in dotted.items():
        *path, leaf = name.split(".")
        node = nested
        for part in path:
            node = node.setdefault(part, {})
        node[leaf] = value
    return _merge(config, nested, "")


def _merge(config: C, values: Mapping[str, Any], at: str) -> C:
    hints = typing.get_type_hints(type(config))
    chosen: dict[str, Any] = {}
    for key, value in values.items():
        if key not in hints:
            raise UnknownConfigKey(
                f"unknown configuration key {at + key!r}; {type(config).__name__} has {sorted(hints)}."
                f"{did_you_mean(key, hints)}"
            )
        current = getattr(config, key)
        if dataclasses.is_dataclass(current) and isinstance(value, Mapping):
            chosen[key] = _merge(current, value, f"{at}{key}.")
        else:
            chosen[key] = _convert(hints[key], value, at + key)
    return typing.cast(C, dataclasses.replace(typing.cast(Any, config), **chosen))


def _convert(hint: Any, value: Any, name: str) -> Any:
    """`value` as `hint` wants it: lists become tuples, ints become floats, mappings become dataclasses."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(args, value, name)
    if origin is typing.Literal:
        if value in args:
            return value
        raise ConfigError(
            f"{name} is {value!r}; it must be one of {list(args)}.{did_you_mean(str(value), map(str, args))}"
        )
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return value if isinstance(value, hint) else build(hint, value, at=f"{name}.")
    if origin is tuple and isinstance(value, (list, tuple)):
        kinds = [args[0]] * len(value) if len(args) == 2 and args[1] is ... else list(args)
        if len(kinds) != len(value):
            raise ConfigError(f"{name} has {len(value)} values {value!r}; it must have {len(kinds)}.")
        return tuple(
            _convert(kind, item, f"{name}[{i}]")
            for i, (kind, item) in enumerate(zip(kinds, value, strict=True))
        )
    if origin is dict and isinstance(value, Mapping):
        return {key: _convert(args[1], item, f"{name}.{key}") for key, item in value.items()}
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    is_bool_for_number = isinstance(value, bool) and hint in (int, float)
    if hint is Any or (isinstance(hint, type) and isinstance(value, hint) and not is_bool_for_number):
        return value
    raise ConfigError(
        f"{name} is {value!r} ({type(value).__name__}); it must be {getattr(hint, '__name__', hint)}."
    )


def _convert_union(args: tuple[Any, ...], value: Any, name: str) -> Any:
    if value is None and type(None) in args:
        return None
    wanted = [arg for arg in args if arg is not type(None)]
    for arg in wanted[:-1]:
        try:
            return _convert(arg, value, name)
        except ConfigError:
            continue
    return _convert(wanted[-1], value, name)
