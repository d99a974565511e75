"""Whether a box is where its motion says it should be: a Kalman filter for each slot, in seconds.

Constant velocity of centre and size (as in SORT and SAMURAI), with noise that grows with the time between sightings
instead of with the number of frames.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor, nn

from embodied_mem.layers.banks.admission import forget

MEASURED_SHARE = 0.05
"""Standard deviation of a measured box, in heights of the box."""
ACCELERATION_SHARE = 1.0
"""Standard deviation of what the velocity changes by in a second, in heights of the box per second."""
FIRST_SPEED_SHARE = 1.0
"""Standard deviation of the velocity at first sight, in heights of the box per second."""


class BoxMotion(nn.Module):
    """Where each slot's box is (centre, size) and how it moves; boxes are (left, top, right, bottom) in pixels."""

    mean: Tensor
    covariance: Tensor
    seconds: Tensor
    is_tracking: Tensor

    def __init__(self, num_slots: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(num_slots, 8, dtype=torch.float64))
        self.register_buffer("covariance", torch.zeros(num_slots, 8, 8, dtype=torch.float64))
        self.register_buffer("seconds", torch.zeros(num_slots, dtype=torch.float64))
        self.register_buffer("is_tracking", torch.zeros(num_slots, dtype=torch.bool))

    def agreement(
        self, slots: Int64[Tensor, "b"], seconds: Float64[Tensor, "b"], boxes_px: Float64[Tensor, "b 4"]
    ) -> Float64[Tensor, "b"]:
        """Intersection over union of each box with the predicted one.

        1 where nothing is predicted: before the first sighting, or when the prediction has become wider than the box.
        """
        mean, covariance = self._predicted(slots, seconds)
        spread = covariance[:, (0, 1), (0, 1)].sqrt().amax(dim=1)
        is_vague = ~self.is_tracking[slots] | (spread > mean[:, 2:4].amin(dim=1))
        return torch.where(is_vague, 1.0, overlap(_corners(mean[:, :4]), boxes_px))

    def update(
        self, slots: Int64[Tensor, "b"], seconds: Float64[Tensor, "b"], boxes_px: Float64[Tensor, "b 4"]
    ) -> None:
        """The boxes were seen."""
        measured = _centred(boxes_px)
        mean, covariance = self._predicted(slots, seconds)
        noise = _diagonal((MEASURED_SHARE * measured[:, 3:]).square().expand(-1, 4))
        gain = torch.linalg.solve(covariance[:, :4, :4] + noise, covariance[:, :4]).transpose(1, 2)
        corrected = mean + (gain @ (measured - mean[:, :4])[:, :, None])[:, :, 0]
        narrowed = covariance - gain @ covariance[:, :4]
        first_mean = torch.cat([measured, torch.zeros_like(measured)], dim=1)
        speed = (FIRST_SPEED_SHARE * measured[:, 3:]).square().expand(-1, 4)
        first_covariance = _diagonal(torch.cat([torch.diagonal(noise, dim1=1, dim2=2), speed], dim=1))
        known = self.is_tracking[slots]
        self.mean[slots] = torch.where(known[:, None], corrected, first_mean)
        self.covariance[slots] = torch.where(known[:, None, None], narrowed, first_covariance)
        self.seconds[slots] = seconds
        self.is_tracking[slots] = True

    def reset(self, slots: Int64[Tensor, "b"]) -> None:
        """No box was seen yet."""
        forget(slots, self.mean, self.covariance, self.seconds, self.is_tracking)

    def known(self, slots: Int64[Tensor, "b"]) -> Bool[Tensor, "b"]:
        """Which slots have seen a box."""
        return self.is_tracking[slots]

    def _predicted(self, slots: Tensor, seconds: Tensor) -> tuple[Tensor, Tensor]:
        elapsed = (seconds - self.seconds[slots])[:, None]
        mean, covariance = self.mean[slots], self.covariance[slots]
        move = torch.eye(8, dtype=torch.float64, device=slots.device).repeat(len(slots), 1, 1)
        move[:, range(4), range(4, 8)] = elapsed
        height = mean[:, 3:4].abs()
        push = torch.zeros_like(covariance)
        strength = (ACCELERATION_SHARE * height).square()
        push[:, range(4), range(4)] = strength * elapsed**3 / 3
        push[:, range(4, 8), range(4, 8)] = strength * elapsed
        push[:, range(4), range(4, 8)] = push[:, range(4, 8), range(4)] = strength * elapsed**2 / 2
        return (move @ mean[:, :, None])[:, :, 0], move @ covariance @ move.transpose(1, 2) + push


def overlap(first: Float64[Tensor, "b 4"], second: Float64[Tensor, "b 4"]) -> Float64[Tensor, "b"]:
    """Intersection over union of boxes; 0 where one is empty."""
    corner, opposite = torch.maximum(first[:, :2], second[:, :2]), torch.minimum(first[:, 2:], second[:, 2:])
    shared = (opposite - corner).clamp(min=0).prod(dim=1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(dim=1) for boxes in (first, second)]
    return shared / (areas[0] + areas[1] - shared).clamp(min=1e-12)


def _centred(boxes_px: Tensor) -> Tensor:
    return torch.cat([(boxes_px[:, :2] + boxes_px[:, 2:]) / 2, boxes_px[:, 2:] - boxes_px[:, :2]], dim=1)


def _corners(centred: Tensor) -> Tensor:
    return torch.cat([centred[:, :2] - centred[:, 2:] / 2, centred[:, :2] + centred[:, 2:] / 2], dim=1)


def _diagonal(values: Tensor) -> Tensor:
    return torch.diag_embed(values)
