"""The node's diagnostics: how the intake, the memory and the transport are, with a counter for every cause of drops."""

from __future__ import annotations

from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from embodied_mem.ros.conversions.basics import header
from embodied_mem.ros.drops import DropLog


def diagnostics(
    name: str, stamp_ns: int, *, drops: DropLog, intake: Mapping[str, object], memory: Mapping[str, object],
    transport_problem: str | None, is_worker_alive: bool,
) -> DiagnosticArray:  # fmt: skip
    """One status each for intake, memory and transport. The intake warns while anything was dropped."""
    counts, messages = drops.counts(), drops.last_messages()
    worst = max(counts, key=lambda cause: counts[cause], default=None)
    intake_status = _status(
        f"{name}: intake",
        DiagnosticStatus.WARN if counts else DiagnosticStatus.OK,
        f"{drops.num_frames} frames dropped; mostly {worst}: {messages[worst]}"
        if worst
        else "nothing dropped",
        {**intake, **{f"dropped ({cause})": number for cause, number in counts.items()}},
    )
    memory_status = _status(
        f"{name}: memory",
        DiagnosticStatus.OK if is_worker_alive else DiagnosticStatus.ERROR,
        "working"
        if is_worker_alive
        else "the thread that writes has ended; restart the node (its log says why)",
        memory,
    )
    transport_status = _status(
        f"{name}: transport",
        DiagnosticStatus.WARN if transport_problem else DiagnosticStatus.OK,
        transport_problem or "images get through: the Fast DDS profile is set",
        {},
    )
    return DiagnosticArray(
        header=header(stamp_ns, ""), status=[intake_status, memory_status, transport_status]
    )


def _status(name: str, level: bytes, message: str, values: Mapping[str, object]) -> DiagnosticStatus:
    pairs = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
    return DiagnosticStatus(name=name, level=level, message=message, hardware_id="embodied_mem", values=pairs)
