"""Ways into a policy that was made without memory, by how far they reach.

1. `prompt`: the context as text in the instruction: any policy with a prompt, also behind a server.
2. `with_keyframes`: kept views as extra cameras: policies with free image inputs.
3. `PrefixTokens` (policy/prefix.py): memory as tokens before the policy's own: torch policies in this process.
4. `MemoryAdapter` (policy/adapter.py): a bank behind one of its modules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, UInt8

from embodied_mem.errors import InvalidMessage
from embodied_mem.messages import Context
from embodied_mem.policy.seam import Contexts, Instructions, Observation, context_of

Images = Mapping[str, UInt8[np.ndarray, "b h w 3"]]
MEMORY, TASK = "Memory:\n", "\nTask: "
"""What comes before the context's text, and between it and the instruction."""


def prompt(instruction: str, context: Context | None) -> str:
    """The instruction with the context's text before it; the bare instruction without one."""
    if context is None or not context.text:
        return instruction
    return f"{MEMORY}{context.text}{TASK}{instruction}"


def task_of(text: str) -> str:
    """The instruction in what `prompt` made of it; a bare instruction as it is."""
    return text.rpartition(TASK)[2] if text.startswith(MEMORY) else text


def prompts(instruction: Instructions, context: Contexts, num_rows: int) -> list[str]:
    """`prompt` for every row."""
    words = [instruction] * num_rows if isinstance(instruction, str) else list(instruction)
    return [prompt(text, context_of(context, row)) for row, text in enumerate(words)]


def with_keyframes(
    observation: Observation, context: Contexts, *, cameras: Sequence[str]
) -> tuple[Observation, dict[str, Bool[np.ndarray, "b"]]]:
    """The observation with kept views as pictures of `cameras`, newest last, and which rows of each are real.

    They get the size of the observation's first camera; cameras that lack a view are black, and masked.

    Raises:
        InvalidMessage: the observation has no camera, or one of these names already.
    """
    taken = sorted(set(cameras) & set(observation.images))
    if taken or not observation.images:
        raise InvalidMessage(
            f"the observation has cameras {sorted(observation.images)}, of which {taken} are to be filled; it needs one of its "
            "own, and names for memory that are free."
        )
    height, width = next(iter(observation.images.values())).shape[1:3]
    added = {name: np.zeros((len(observation), height, width, 3), dtype=np.uint8) for name in cameras}
    masks = {name: np.zeros(len(observation), dtype=bool) for name in cameras}
    for row in range(len(observation)):
        of_row = context_of(context, row)
        views = [] if of_row is None else list(of_row.keyframes)[-len(cameras) :]
        for name, view in zip(cameras, views, strict=False):
            added[name][row] = fitted(view.image, height, width)
            masks[name][row] = True
    extended = Observation(
        stamp_ns=observation.stamp_ns, images={**observation.images, **added}, proprio=observation.proprio,
        slots=observation.slots,
    )  # fmt: skip
    return extended, masks


def fitted(image: UInt8[np.ndarray, "h w 3"], height: int, width: int) -> UInt8[np.ndarray, "h2 w2 3"]:
    """A picture scaled into a size, its shape kept, black beside it."""
    import cv2

    scale = min(height / image.shape[0], width / image.shape[1])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    canvas = np.zeros((height, width, 3), dtype=np.uint8)
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    canvas[top : top + size[1], left : left + size[0]] = small
    return canvas
