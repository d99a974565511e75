"""What goes with what: a walk over the graph of things, places, views and events that keeps returning to one thing.

Personalised PageRank (Haveliwala 2002), as HippoRAG uses it for associative recall; damping 0.85.
"""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np

from embodied_mem.layers.world.world_view import WorldView
from embodied_mem.messages import Answer, Associated, EntityId

DAMPING = 0.85
NUM_STEPS = 40
NEWEST_GLIMPSES = 5000
"""Older views are left out, so that the question does not grow with the days."""
EVENT_WEIGHT = 4.0
SUPPORT_WEIGHT = 3.0
HUB_DISCOUNT = 1.0
"""Views and supports that join many things say little about each pair: their edges weigh 1 / (things - 1)."""


def goes_with(view: WorldView, subject: EntityId, k: int) -> Answer[tuple[Associated, ...]]:
    """The `k` things on which the walk from `subject` spends most of its time, furniture under it included."""
    edges = _edges(view)
    if subject not in edges:
        return Answer(status="unknown", reason=f"nothing joins {view.label_of(subject)} with anything else")
    shares = _walk(edges, subject)
    ranked = sorted(
        (
            (share, node)
            for node, share in shares.items()
            if node != subject and not node.startswith("event/")
        ),
        key=lambda pair: (-pair[0], pair[1]),
    )
    found = [
        Associated(location=placed[0], share=share)
        for share, node in ranked
        if (placed := view.location(node)) is not None and not view.is_agent(node)
    ]
    return Answer(status="known", value=tuple(found[:k]), confidence=0.6)


def _edges(view: WorldView) -> dict[str, Counter[str]]:
    edges: dict[str, Counter[str]] = defaultdict(Counter)

    def join(a: str, b: str, weight: float) -> None:
        if a != b:
            edges[a][b] += weight  # type: ignore[assignment]
            edges[b][a] += weight  # type: ignore[assignment]

    for glimpse in view.journey.between()[-NEWEST_GLIMPSES:]:
        seen = sorted({view.current_id(one) for one in glimpse.seen})
        weight = HUB_DISCOUNT / max(1, len(seen) - 1)
        for index, a in enumerate(seen):
            for b in seen[index + 1 :]:
                join(a, b, weight)
    on_support: dict[str, list[str]] = defaultdict(list)
    for entity_id in view.ids():
        placed = view.location(entity_id)
        if placed is not None and placed[0].support is not None:
            on_support[placed[0].support].append(entity_id)
    for support, things in on_support.items():
        for thing in things:
            join(support, thing, SUPPORT_WEIGHT / len(things))
    for number, _, entity_ids in view.all_events():
        for entity_id in entity_ids:
            join(f"event/{number}", view.current_id(entity_id), EVENT_WEIGHT)
    return edges


def _walk(edges: dict[str, Counter[str]], start: str) -> dict[str, float]:
    nodes = sorted(edges)
    index = {node: position for position, node in enumerate(nodes)}
    rows = np.array([index[a] for a in nodes for _ in edges[a]])
    columns = np.array([index[b] for a in nodes for b in edges[a]])
    weights = np.array([edges[a][b] for a in nodes for b in edges[a]], dtype=np.float64)
    totals = np.bincount(rows, weights, minlength=len(nodes))
    weights /= totals[rows]
    home = np.zeros(len(nodes))
    home[index[start]] = 1.0
    share = home
    for _ in range(NUM_STEPS):
        moved = np.bincount(columns, weights * share[rows], minlength=len(nodes))
        share = (1.0 - DAMPING) * home + DAMPING * moved
    return dict(zip(nodes, share.tolist(), strict=True))
