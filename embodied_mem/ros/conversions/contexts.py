"""Contexts and action chunks as messages, and back."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from geometry_msgs.msg import Point
from sensor_msgs.msg import CompressedImage

from embodied_mem.errors import InvalidMessage
from embodied_mem.messages import Budget, Context, EntityTokens, Keyframe
from embodied_mem.policy.seam import ActionChunk
from embodied_mem.ros.conversions.basics import header, ns_from_time
from embodied_mem.sensing.images import rgb_from_compressed
from embodied_mem_interfaces.msg import ActionChunk as ActionChunkMsg

DEFAULT_BUDGET = Budget()
ROBOT_FRAME = "base_link"


def budget_from_request(request: Any) -> Budget:
    """The budget that a GetContext request asks for; zeros are defaults."""
    return Budget(
        tokens=int(request.max_tokens) or DEFAULT_BUDGET.tokens, ms=float(request.max_ms) or DEFAULT_BUDGET.ms
    )


def fill_context(response: Any, context: Context) -> None:
    """Write a context into a GetContext response."""
    entities = context.entities
    number = int(entities.mask.sum())
    response.header = header(context.stamp_ns, ROBOT_FRAME)
    response.robot, response.text, response.num_tokens = context.robot, context.text, context.num_tokens
    response.entity_ids, response.labels = list(entities.entity_ids), list(entities.labels)
    response.positions = [
        Point(x=float(x), y=float(y), z=float(z)) for x, y, z in entities.positions_robot_m[:number]
    ]
    response.ages = [float(age) for age in entities.ages_s[:number]]
    response.confidences = [float(confidence) for confidence in entities.confidences[:number]]
    response.keyframes = [_picture(view) for view in context.keyframes]
    response.sources, response.dropped = list(context.sources), list(context.dropped)


def context_from_response(response: Any, instruction: str) -> Context:
    """The context of a GetContext response; what each thing looks like, and bank entries, do not travel."""
    number, stamp_ns = len(response.entity_ids), ns_from_time(response.header.stamp)
    positions = [(point.x, point.y, point.z) for point in response.positions]
    return Context(
        robot=response.robot, stamp_ns=stamp_ns, instruction=instruction, text=response.text,
        entities=EntityTokens(
            entity_ids=tuple(response.entity_ids), labels=tuple(response.labels),
            positions_robot_m=np.array(positions, dtype=np.float32).reshape(-1, 3),
            vectors=np.zeros((number, 0), dtype=np.float32), ages_s=np.array(response.ages, dtype=np.float32),
            confidences=np.array(response.confidences, dtype=np.float32), mask=np.ones(number, dtype=bool),
        ),
        keyframes=tuple(_keyframe(message, stamp_ns) for message in response.keyframes),
        sources=tuple(response.sources), num_tokens=int(response.num_tokens), dropped=tuple(response.dropped),
    )  # fmt: skip


def chunk_to_msg(chunk: ActionChunk, row: int, frame_id: str) -> ActionChunkMsg:
    """One row of a chunk."""
    actions = chunk.actions[row]
    return ActionChunkMsg(
        header=header(int(chunk.stamp_ns[row]), frame_id), steps=actions.shape[0], width=actions.shape[1],
        period=chunk.period_s, actions=actions.astype(np.float32).ravel().tolist(),
        sources=list(chunk.sources[row]) if chunk.sources else [],
    )  # fmt: skip


def tokens_from_request(request: Any) -> np.ndarray[Any, Any]:
    """The tokens of a StepBank request, (1, n, d).

    Raises:
        InvalidMessage: more or fewer numbers than num_tokens times width.
    """
    values = np.array(request.tokens, dtype=np.float32)
    if not request.num_tokens or values.size != request.num_tokens * request.width:
        raise InvalidMessage(
            f"{values.size} numbers for {request.num_tokens} tokens of width {request.width}; send num_tokens x width, row by row."
        )
    return values.reshape(1, request.num_tokens, request.width)


def _picture(view: Keyframe) -> CompressedImage:
    ok, encoded = cv2.imencode(".png", cv2.cvtColor(view.image, cv2.COLOR_RGB2BGR))
    assert ok, "cv2 encodes every uint8 image as PNG"
    message = CompressedImage(header=header(view.stamp_ns, view.source), format="png")
    message.data.frombytes(encoded.tobytes())
    return message


def _keyframe(message: Any, now_ns: int) -> Keyframe:
    stamp_ns = ns_from_time(message.header.stamp)
    return Keyframe(
        stamp_ns=stamp_ns, age_s=max(0, now_ns - stamp_ns) / 1e9, source=message.header.frame_id,
        image=rgb_from_compressed(message), seen=(), weight=0.0,
    )  # fmt: skip
