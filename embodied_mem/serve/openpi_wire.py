"""openpi's wire format: msgpack in which numpy arrays are maps of their bytes, dtype and shape. One message a decision.

A server greets each connection with its metadata, then answers every observation with a map that has `actions`; text instead
of bytes is an error. Written from the format alone, so that a robot needs neither openpi nor its pinned numpy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from embodied_mem.errors import InvalidMessage, MissingExtra

ARRAY, SCALAR = b"__ndarray__", b"__npgeneric__"
KINDS = "biuf"
"""Arrays of these kinds travel (numpy's letters: bool, signed, unsigned, float); objects never do."""


def pack(message: dict[str, Any]) -> bytes:
    """A message as bytes.

    Raises:
        InvalidMessage: an array of objects or text is in it.
    """
    packed: bytes = _msgpack().packb(message, default=_encode)
    return packed


def unpack(payload: bytes) -> dict[str, Any]:
    """What `pack`, or openpi, made.

    Raises:
        InvalidMessage: these bytes are no such message.
    """
    try:
        message = _msgpack().unpackb(payload, object_hook=_decode)
    except Exception as error:  # msgpack raises ValueError, its own kinds, and whatever a bad array raises
        raise InvalidMessage(
            f"{len(payload)} bytes are no openpi message ({error}). Speak msgpack with arrays."
        ) from error
    if not isinstance(message, dict):
        raise InvalidMessage(
            f"an openpi message is a map; this is a {type(message).__name__}. Send observations as maps."
        )
    if not all(isinstance(key, str) for key in message):
        raise InvalidMessage(f"an openpi message has keys {list(message)}; all of them must be text.")
    return message


def _encode(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind not in KINDS:
        raise InvalidMessage(
            f"arrays of {value.dtype} cannot be sent; convert them to numbers, or to plain strings."
        )
    if isinstance(value, np.ndarray):
        return {ARRAY: True, b"data": value.tobytes(), b"dtype": value.dtype.str, b"shape": value.shape}
    if isinstance(value, np.generic):
        return {SCALAR: True, b"data": value.item(), b"dtype": value.dtype.str}
    raise InvalidMessage(
        f"a {type(value).__name__} cannot be sent; use numbers, text, lists, maps and arrays."
    )


def _decode(value: dict[Any, Any]) -> Any:
    if ARRAY in value:
        dtype = np.dtype(value[b"dtype"])
        if dtype.kind not in KINDS:
            raise InvalidMessage(f"an array of {dtype} was received; only numbers are taken.")
        return np.frombuffer(value[b"data"], dtype=dtype).reshape(value[b"shape"]).copy()
    if SCALAR in value:
        return np.dtype(value[b"dtype"]).type(value[b"data"])
    return value


def _msgpack() -> Any:
    try:
        import msgpack
    except ImportError as error:
        raise MissingExtra("openpi's protocol needs msgpack; pip install 'embodied_mem[policy]'.") from error
    return msgpack
