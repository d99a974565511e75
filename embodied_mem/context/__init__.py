"""Answers that put world and map together: rooms, ways, visits, events, relations, what an answer rests on.

`recall.Recall` has the questions, `planner_view` writes what a planner needs to know as text within a token budget,
`tools` describes the questions as JSON-schema tools.
"""

from embodied_mem.context.recall import Recall

__all__ = ["Recall"]
