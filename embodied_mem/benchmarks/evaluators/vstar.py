"""V-STaR: chains of what, when and where about videos (eval.py). The mark of "what" (0 to 3) comes from a judge.

AM is the mean of accuracy, temporal IoU and spatial IoU, LGM the mean of -ln(1 - x); each chain asks when and where in its own order. Quirks that
`compat` keeps: an item without an answer to "what" is left out of the IoUs' means, but counts in the accuracy; of several
boxes for one frame the best counts; a perfect score has no LGM (ValueError).
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from embodied_mem.benchmarks.evaluators.modes import Mode, mean

RIGHT_MARK = 2
MOST_SHORT_OF_ONE = 1e-6
"""Strict: scores are clipped to 1 - this in the LGM, which is then at most 13.8."""
CHAINS = ("", "_2")


@dataclass(frozen=True, kw_only=True)
class ItemScore:
    """One item: is "what" right, and the IoUs of when and where for both chains."""

    is_right: bool
    is_answered: bool
    temporal: tuple[float, float]
    spatial: tuple[float, float]


def temporal_iou(truth_s: Sequence[float], predicted: Any) -> float:
    """Of two spans of time in seconds; 0 for what is no span."""
    if isinstance(predicted, str):
        try:
            predicted = ast.literal_eval(predicted)
        except (ValueError, SyntaxError):
            return 0.0
    is_span = isinstance(predicted, (list, tuple)) and len(predicted) == 2
    if not is_span or not all(isinstance(x, (int, float)) for x in predicted):
        return 0.0
    (begin, end), (mine_begin, mine_end) = truth_s, predicted
    shared = max(0.0, min(end, mine_end) - max(begin, mine_begin))
    union = max(end, mine_end) - min(begin, mine_begin)
    return shared / union if union > 0 else 0.0


def box_iou(truth: Mapping[str, float], predicted: Any) -> float:
    """Of the true box (xmin ymin xmax ymax) and a predicted one as four numbers; 0 for what is no box."""
    if not isinstance(predicted, (list, tuple)) or len(predicted) != 4:
        return 0.0
    x1, y1, x2, y2 = predicted
    shared = max(0, min(truth["xmax"], x2) - max(truth["xmin"], x1)) * max(
        0, min(truth["ymax"], y2) - max(truth["ymin"], y1)
    )
    area = (truth["xmax"] - truth["xmin"]) * (truth["ymax"] - truth["ymin"])
    union = area + (x2 - x1) * (y2 - y1) - shared
    return shared / union if union > 0 else 0.0


def spatial_iou(truth: Sequence[Mapping[str, Any]], predicted: Any, mode: Mode = "strict") -> float:
    """Mean over the true frames of the predicted box's IoU; `predicted` maps a timestamp's text to a box, or boxes."""
    if not predicted or not isinstance(predicted, Mapping):
        return 0.0
    scores = [_frame_iou(one, predicted.get(str(one["timestamp"])), mode) for one in truth]
    return mean(scores) if scores else 0.0


def score_item(item: Mapping[str, Any], mark: int | None, mode: Mode = "strict") -> ItemScore:
    """`mark`: the judge's 0 to 3 for `answer_vqa`, None when it gave none."""
    return ItemScore(
        is_right=mark is not None and mark >= RIGHT_MARK,
        is_answered=bool(item.get("answer_vqa")),
        temporal=_both(lambda c: temporal_iou(item["timestamps"], item.get(f"answer_temporal{c}") or None)),
        spatial=_both(lambda c: spatial_iou(item["bboxes"], item.get(f"answer_spatial{c}"), mode)),
    )


def evaluate(items: Sequence[ItemScore], mode: Mode = "strict") -> dict[str, float]:
    """`accuracy`, `temporal_iou`, `spatial_iou` (means of both chains), `mAM` and `mLGM`.

    Raises:
        ValueError: in compat, for a perfect score, whose logarithm does not exist.
    """
    counted = [one for one in items if one.is_answered] if mode == "compat" else list(items)
    accuracy = sum(one.is_right and one.is_answered for one in items) / len(items)
    temporal = [mean([one.temporal[c] for one in counted]) for c in range(2)]
    spatial = [mean([one.spatial[c] for one in counted]) for c in range(2)]
    chains = [(accuracy, temporal[c], spatial[c]) for c in range(2)]
    return {
        "accuracy": accuracy, "temporal_iou": mean(temporal), "spatial_iou": mean(spatial),
        "mAM": mean([mean(chain) for chain in chains]), "mLGM": mean([_lgm(chain, mode) for chain in chains]),
    }  # fmt: skip


def _lgm(chain: Sequence[float], mode: Mode) -> float:
    least = MOST_SHORT_OF_ONE if mode == "strict" else 0.0
    return -sum(math.log(max(1.0 - value, least)) for value in chain) / len(chain)


def _both(of_chain: Any) -> tuple[float, float]:
    first, second = (float(of_chain(chain)) for chain in CHAINS)
    return first, second


def _frame_iou(truth: Mapping[str, Any], boxes: Any, mode: Mode) -> float:
    if not isinstance(boxes, (list, tuple)) or not boxes:
        return 0.0
    if isinstance(boxes[0], (int, float)):
        boxes = [boxes] if len(boxes) == 4 else []
    try:
        scores = [box_iou(truth, box) for box in boxes]
    except TypeError:  # something in a box is no number
        return 0.0
    if not scores:
        return 0.0
    return max(scores) if mode == "compat" else scores[0]
