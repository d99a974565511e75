"""ROS parameters from config dataclasses: declared by walking them, read back into them. One schema, no second list."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any, TypeVar

import yaml
from rcl_interfaces.msg import ParameterDescriptor

from embodied_mem.config import options, override

C = TypeVar("C")


def declare(node: Any, config: C) -> C:
    """Declare every option of `config` as a parameter of `node` and return `config` with the values that were given.

    Options that a ROS parameter cannot hold (None, nested tuples, mappings) are strings in YAML.

    Raises:
        ConfigError: a value of the wrong type or outside its range.
    """
    given: dict[str, Any] = {}
    for option in options(config):
        default = _to_parameter(option.default)
        descriptor = ParameterDescriptor(description=_describe(option), dynamic_typing=True)
        value = node.declare_parameter(option.name, default, descriptor).value
        if value is not None and _differs(value, default):
            given[option.name] = _from_parameter(value, option.default)
    return override(config, given)


def to_parameters(config: object) -> dict[str, Any]:
    """Every option of `config` as ROS parameter values by dotted name, for a params file."""
    return {option.name: _to_parameter(option.default) for option in options(config)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, (bool, int, float, str)):
        return True
    kinds = {type(item) for item in value} if isinstance(value, (tuple, list)) else set()
    return len(kinds) == 1 and kinds <= {bool, int, float, str}


def _to_parameter(value: Any) -> Any:
    if isinstance(value, (tuple, list)) and _is_plain(value):
        return list(value)
    if _is_plain(value):
        return value
    return yaml.safe_dump(_as_data(value), default_flow_style=True).removesuffix("...\n").strip()


def _as_data(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, (tuple, list)):
        return [_as_data(item) for item in value]
    return {key: _as_data(item) for key, item in value.items()} if isinstance(value, dict) else value


def _from_parameter(value: Any, default: Any) -> Any:
    if not _is_plain(default) and isinstance(value, str):
        return yaml.safe_load(value)
    return list(value) if not isinstance(value, (bool, int, float, str)) else value


def _differs(value: Any, default: Any) -> bool:
    return bool((list(value) if not isinstance(value, (bool, int, float, str)) else value) != default)


def _describe(option: Any) -> str:
    hint = option.type
    name = (
        " | ".join(map(str, typing.get_args(hint)))
        if typing.get_origin(hint) is typing.Literal
        else str(hint)
    )
    return f"{name.replace('typing.', '')}; see {option.owner.__name__}"
