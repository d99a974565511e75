"""JSON schemas of tool arguments, and the check of a call against them, with errors that say what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from embodied_mem.errors import InvalidQuery, did_you_mean

Schema = dict[str, Any]
TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "array": (list, tuple),
    "object": (dict,),
}  # fmt: skip
MAX_TEXT = 2000


def text(description: str, *, one_of: tuple[str, ...] | None = None) -> Schema:
    """Words, or one of a few."""
    return {
        "type": "string",
        "description": description,
        **({"enum": list(one_of)} if one_of else {"maxLength": MAX_TEXT}),
    }


def stamp(description: str) -> Schema:
    """A time of the memory's clock."""
    return {
        "type": "integer",
        "minimum": 0,
        "description": f"{description} (nanoseconds of the memory's clock)",
    }


def whole(description: str, *, most: int) -> Schema:
    return {"type": "integer", "minimum": 1, "maximum": most, "description": description}


def point(description: str) -> Schema:
    """A position in world."""
    return {
        "type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3,
        "description": f"{description} (x, y, z in metres, world frame, z up)",
    }  # fmt: skip


def arguments(properties: Mapping[str, Schema], *, required: tuple[str, ...] = ()) -> Schema:
    """The schema of a tool's arguments; no others are allowed."""
    return {
        "type": "object", "properties": dict(properties), "required": list(required), "additionalProperties": False,
    }  # fmt: skip


def check(tool: str, schema: Schema, given: Mapping[str, Any]) -> None:
    """Raise InvalidQuery when arguments do not fit a schema, naming the argument, its value and what is allowed."""
    properties: Mapping[str, Schema] = schema["properties"]
    for name in given:
        if name not in properties:
            raise InvalidQuery(
                f"{tool} takes no argument {name!r}; it takes {sorted(properties)}.{did_you_mean(name, properties)}"
            )
    for name in schema["required"]:
        if given.get(name) is None:
            raise InvalidQuery(f"{tool} needs {name!r}: {properties[name].get('description', '')}")
    for name, value in given.items():
        if value is not None:
            _check_value(f"{tool}.{name}", properties[name], value)


def _check_value(name: str, schema: Schema, given: object) -> None:
    value: Any = given
    kind = schema["type"]
    is_bool = isinstance(value, bool)
    if not isinstance(given, TYPES[kind]) or (is_bool and kind != "boolean"):
        raise InvalidQuery(f"{name} is {value!r}; it must be {'an' if kind[0] in 'aio' else 'a'} {kind}.")
    if "enum" in schema and value not in schema["enum"]:
        raise InvalidQuery(
            f"{name} is {value!r}; it must be one of {schema['enum']}.{did_you_mean(str(value), schema['enum'])}"
        )
    if kind in ("integer", "number") and not schema.get("minimum", value) <= value <= schema.get(
        "maximum", value
    ):
        limits = f"{schema.get('minimum', 'any')}..{schema.get('maximum', 'any')}"
        raise InvalidQuery(f"{name} is {value!r}; it must be in {limits}.")
    if kind == "string" and len(value) > schema.get("maxLength", len(value)):
        raise InvalidQuery(f"{name} has {len(value)} characters; at most {schema['maxLength']} are allowed.")
    if kind == "array":
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            raise InvalidQuery(f"{name} has {len(value)} items; it must have {schema.get('minItems', 0)}.")
        for index, item in enumerate(value):
            _check_value(f"{name}[{index}]", schema["items"], item)
