"""A world behind a loopback socket: `python server.py` runs the simulator beside it in a process of its own.

It is Python 3.9 and imports numpy and the standard library only, so that any interpreter that has a habitat_sim can run
it as a script, with the key of the connection and the settings as one line of JSON on standard input. It then prints
`PORT <n>`, listens on the loopback interface for one client, and ends with it.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection, Listener
from typing import Any

import numpy as np


def packed(value: Any) -> Any:
    """`value` with arrays as (type, shape, bytes): pickled arrays do not pass between NumPy 1 and 2."""
    if isinstance(value, np.ndarray):
        return {"__array__": [value.dtype.str, list(value.shape), value.tobytes()]}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {key: packed(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [packed(one) for one in value]
    return value


def unpacked(value: Any) -> Any:
    """What `packed` was given; tuples come back as lists."""
    if isinstance(value, dict):
        if "__array__" in value:
            kind, shape, data = value["__array__"]
            return np.frombuffer(data, dtype=kind).reshape(shape).copy()
        return {key: unpacked(one) for key, one in value.items()}
    if isinstance(value, list):
        return [unpacked(one) for one in value]
    return value


def answer_calls(
    connection: Connection, make_world: Callable[[Any], Any], settings: Mapping[str, Any]
) -> None:
    """Make the world, then carry out (method, arguments) until the client leaves or says 'close'."""
    try:
        world = make_world(settings)
    except Exception as error:
        connection.send(("error", type(error).__name__, str(error)))
        return
    connection.send(("ok", None))
    while True:
        try:
            method, arguments = connection.recv()
        except (EOFError, ConnectionError):
            method, arguments = "close", []
        if method == "close":
            world.close()
            return
        try:
            if method.startswith("_"):
                raise AttributeError(f"{method!r} is not part of the protocol")
            connection.send(("ok", packed(getattr(world, method)(*unpacked(arguments)))))
        except Exception as error:
            connection.send(("error", type(error).__name__, str(error)))


def main(make_world: Callable[[Any], Any]) -> None:
    """Serve one client."""
    order = json.loads(sys.stdin.readline())
    with Listener(("127.0.0.1", 0), authkey=bytes.fromhex(order["key"])) as listener:
        print(f"PORT {listener.address[1]}", flush=True)  # noqa: T201 (the client reads it)
        with listener.accept() as connection:
            answer_calls(connection, make_world, order["settings"])


if __name__ == "__main__":
    # A script finds what lies beside it without its package, which that interpreter may not have.
    main(importlib.import_module("simulator").HabitatWorld)
