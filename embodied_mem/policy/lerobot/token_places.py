"""Where the tokens of LeRobot's policies pass, and how they lie there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from embodied_mem.errors import InvalidMessage

Layout = Literal["batch_first", "tokens_first", "flat"]


@dataclass(frozen=True, kw_only=True)
class TokenPlace:
    """The module that gives a policy's tokens.

    Attributes:
        module: its name within the policy; a list of modules has one for each camera.
        layout: "batch_first" is (b, n, d), "tokens_first" (n, b, d), "flat" (b * n, d).
    """

    module: str
    layout: Layout

    def rows(self, output: Tensor, num_rows: int) -> Float[Tensor, "b n d"]:
        """What the module gave, a row for each robot.

        Raises:
            InvalidMessage: it is no such tensor.
        """
        if self.layout == "flat" and output.ndim == 2 and len(output) % num_rows == 0:
            return output.reshape(num_rows, -1, output.shape[-1])
        if self.layout != "flat" and output.ndim == 3:
            rows = output if self.layout == "batch_first" else output.transpose(0, 1)
            if len(rows) == num_rows:
                return rows
        raise InvalidMessage(
            f"{self.module} gives {tuple(output.shape)} for {num_rows} rows, which is not laid out {self.layout!r}; name "
            "another module of the policy in `module`, or its `layout`: batch_first, tokens_first or flat."
        )

    def back(self, rows: Float[Tensor, "b n d"]) -> Tensor:
        """Rows as the module gives them."""
        if self.layout == "flat":
            return rows.flatten(0, 1)
        return rows if self.layout == "batch_first" else rows.transpose(0, 1)


KNOWN = {
    "act": TokenPlace(module="model.encoder", layout="tokens_first"),
    "diffusion": TokenPlace(module="diffusion.rgb_encoder", layout="flat"),
    "smolvla": TokenPlace(module="model.vlm_with_expert.vlm.model.connector", layout="batch_first"),
}
"""By LeRobot's name of the policy."""
