"""A bank in the manner of SAM 2 (SAM2Act+, arXiv 2501.18564) that writes only what it can trust (SAMURAI, 2411.11922).

It attends to the first observation and the most recent ones. With a `Sighting`, a step is written only when mask,
object and motion all vouch for it, so that an occlusion or a look-alike does not fill the memory; the motion model
coasts meanwhile. SAMURAI reads past bad frames of a memory that has all; here they are not written in the first place,
which gives the same set of frames at a fixed size.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from embodied_mem.errors import ConfigError, InvalidMessage
from embodied_mem.layers.banks.admission import Admitted, check_values
from embodied_mem.layers.banks.config import PerceptualBankConfig
from embodied_mem.layers.banks.motion import BoxMotion
from embodied_mem.layers.banks.perceptual import PerceptualBank
from embodied_mem.layers.banks.protocol import Newest, Slots, Source, Stamps


@dataclass(frozen=True, kw_only=True)
class SelectiveBankConfig:
    """The selective bank's options; a step is written when each score reaches its minimum (SAMURAI's defaults).

    Attributes:
        bank: of the entries and the attention; 7 entries as in SAM 2.
        min_mask_quality: of the predicted mask's IoU.
        min_object_score: of the logit that the object is in view.
        min_motion_agreement: of the box's IoU with where its motion predicts it.
    """

    bank: PerceptualBankConfig = field(
        default_factory=lambda: PerceptualBankConfig(capacity=7, consolidation="recent")
    )
    min_mask_quality: float = 0.5
    min_object_score: float = 0.0
    min_motion_agreement: float = 0.15

    def __post_init__(self) -> None:
        for name in ("min_mask_quality", "min_motion_agreement"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(f"selective_bank.{name} is {getattr(self, name)}; it must lie in 0..1.")


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """What a tracker says of its target in each row of a step.

    Attributes:
        mask_quality: the predicted mask's IoU, 0 to 1.
        object_score: the logit that the target is in view.
        box_px: (left, top, right, bottom) of the mask.
    """

    mask_quality: Float[Tensor, "b"]
    object_score: Float[Tensor, "b"]
    box_px: Float[Tensor, "b 4"]


class SelectiveBank(nn.Module):
    """A bank that chooses what it writes; see `Bank` for the contract. Without a sighting every step is written."""

    def __init__(self, config: SelectiveBankConfig = SelectiveBankConfig()) -> None:
        super().__init__()
        self.config = config
        self.bank = PerceptualBank(config.bank)
        self.motion = BoxMotion(config.bank.num_slots)
        self.eval()

    def step(
        self,
        tokens: Float[Tensor, "b n d"],
        stamp_ns: Stamps,
        slots: Slots = None,
        *,
        sighting: Sighting | None = None,
    ) -> Tensor:
        """The tokens fused with the memory; they are remembered if the sighting is to be trusted.

        Raises:
            InvalidMessage: also for a sighting that does not fit the rows, is not finite, or has an empty box.
        """
        step = self.bank.admit(tokens, stamp_ns, slots)
        if sighting is None:
            return self.bank.take(tokens, step)
        _check(sighting, len(step.slots))
        return self.bank.take(tokens, step, self._trusted(sighting, step))

    def sources(self, slot: int, num_sources: int = 3) -> list[Source]:
        """The entries that dominated the slot's last output, strongest first."""
        return self.bank.sources(slot, num_sources)

    def newest(self, slot: int, num: int) -> Newest:
        """The entries that were written, newest first."""
        return self.bank.newest(slot, num)

    def reset(self, slots: Slots = None, *, start_ns: int | None = None) -> None:
        """Forget what these slots have seen, and how their targets moved."""
        self.bank.reset(slots, start_ns=start_ns)
        self.motion.reset(self.bank.clock.rows(slots))

    def bytes(self) -> int:
        """What the entries and the motion models take."""
        return self.bank.bytes() + sum(buffer.nbytes for buffer in self.motion.buffers())

    @torch.no_grad()
    def _trusted(self, sighting: Sighting, step: Admitted) -> Bool[Tensor, "b"]:
        boxes = sighting.box_px.double()
        agreement = self.motion.agreement(step.slots, step.seconds, boxes)
        is_trusted = (
            (sighting.mask_quality >= self.config.min_mask_quality)
            & (sighting.object_score >= self.config.min_object_score)
            & (agreement >= self.config.min_motion_agreement)
        )
        seen = is_trusted.nonzero()[:, 0]
        if len(seen):
            self.motion.update(step.slots[seen], step.seconds[seen], boxes[seen])
        return is_trusted


def _check(sighting: Sighting, num_rows: int) -> None:
    if not isinstance(sighting, Sighting):
        raise InvalidMessage(
            f"the sighting is a {type(sighting).__name__}; give a Sighting, or leave it out where the tracker has none."
        )
    check_values("sighting.mask_quality", sighting.mask_quality, (num_rows,), lowest=0.0, highest=1.0)
    check_values("sighting.object_score", sighting.object_score, (num_rows,))
    check_values("sighting.box_px", sighting.box_px, (num_rows, 4))
    sides = sighting.box_px[:, 2:] - sighting.box_px[:, :2]
    is_empty = (sides <= 0).any(dim=1)
    if bool(is_empty.any()):
        row = int(is_empty.nonzero()[0, 0])
        raise InvalidMessage(
            f"sighting.box_px[{row}] is {sighting.box_px[row].tolist()}, an empty box; give (left, top, right, bottom) with right > left "
            "and bottom > top, and a low object_score where the target is not seen."
        )
