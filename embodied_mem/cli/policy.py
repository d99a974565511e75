"""`embodied-mem policy`: policies over openpi's protocol, ours or somebody else's with memory added."""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

import click

from embodied_mem.cli import output

if TYPE_CHECKING:
    from embodied_mem.serve.openpi_server import OpenPiServer, Service

EPILOG = """\b
Examples:
  embodied-mem policy serve outputs/train/checkpoint.pt --port 8000
  embodied-mem policy serve outputs/train/checkpoint.pt --memory outputs/served.npz
  embodied-mem policy serve outputs/train/checkpoint.pt --compute 0.6
  embodied-mem policy proxy outputs/demo/memory --upstream localhost:8000 --port 8001
  embodied-mem policy proxy outputs/demo/memory --upstream pi0:8000 --image observation/right_wrist_image
  embodied-mem policy serve outputs/train/checkpoint.pt --json
"""


@click.command("policy", epilog=EPILOG)
@click.argument("role", type=click.Choice(["serve", "proxy"]))
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Where to listen; 0.0.0.0 for everybody."
)
@click.option("--port", default=8000, show_default=True, help="Where to listen.")
@click.option("--slots", default=4, show_default=True, help="serve: how many sessions at once.")
@click.option(
    "--memory", type=click.Path(dir_okay=False, path_type=Path),
    help="serve: a file in which episodes that have a name are kept, so that they go on after a restart.",
)  # fmt: skip
@click.option(
    "--compute", default=1.0, show_default=True,
    help="serve: what part of the expert's blocks a decision costs; found by `eval compute= keep_exits=true`.",
)  # fmt: skip
@click.option("--upstream", default="", help="proxy: HOST:PORT of the server that gets the observations.")
@click.option(
    "--image", "images", multiple=True, help="proxy: a picture slot that keyframes may fill; repeatable."
)
@click.option("--json", "as_json", is_flag=True, help="Print what clients are told first, and exit.")
def command(
    role: str,
    path: Path,
    host: str,
    port: int,
    slots: int,
    memory: Path | None,
    compute: float,
    upstream: str,
    images: tuple[str, ...],
    as_json: bool,
) -> None:
    """Serve the checkpoint PATH to openpi clients, or the memory PATH as a proxy before another policy server.

    A client may send `episode` (another one begins anew) and `stamp_ns` beside openpi's keys.
    """
    from embodied_mem.serve.openpi_server import OpenPiServer

    if role == "proxy" and (memory is not None or compute != 1.0):
        raise click.UsageError("--memory and --compute are of a policy that is served; a proxy has none.")
    with ExitStack() as opened:
        is_policy = role == "serve"
        service = (
            _policy(path, slots, memory, compute) if is_policy else _proxy(opened, path, upstream, images)
        )
        if as_json:
            output.print_json(service.metadata)
            return
        server = OpenPiServer(service, host=host, port=port)
        output.console().print(f"{role}: ws://{host}:{server.port}; stop with Ctrl-C")
        _run(server)


def _run(server: OpenPiServer) -> None:
    """Serve until Ctrl-C, or SIGTERM, by which other programs stop it; more of them change nothing while sessions end."""
    stops: SimpleQueue[int] = SimpleQueue()  # a signal's handler may put into it at any time

    def end() -> None:
        stops.get()
        server.stop()

    ending = threading.Thread(target=end)
    former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in former:
            signal.signal(number, lambda number, _: stops.put(number))
        ending.start()
        try:
            server.run()
        finally:
            stops.put(0)
            ending.join()
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _policy(path: Path, slots: int, memory: Path | None, compute: float) -> Service:
    from embodied_mem.policy.checkpoints import load_policy
    from embodied_mem.serve.policy_service import PolicyService

    policy = load_policy(path, num_slots=slots, compute=compute)
    return PolicyService(policy, name=path.stem, memory=memory)


def _proxy(opened: ExitStack, path: Path, upstream: str, images: tuple[str, ...]) -> Service:
    from embodied_mem.cli.memory_file import opened as opened_memory
    from embodied_mem.serve.openpi_client import OpenPiClient
    from embodied_mem.serve.openpi_proxy import MemoryProxy, ProxyConfig

    host, _, port = upstream.rpartition(":")
    if not host or not port.isdecimal():
        raise click.UsageError(f"--upstream is {upstream!r}; a proxy needs the policy server's HOST:PORT.")
    memory = opened.enter_context(opened_memory(path))
    return MemoryProxy(
        lambda words, budget: memory.context(words, budget=budget),
        lambda: OpenPiClient(host, int(port)), ProxyConfig(image_keys=images),
    )  # fmt: skip
