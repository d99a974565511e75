"""What a memory knows, as a step before any policy of LeRobot: in the task's words, and as cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from lerobot.configs import FeatureType, PipelineFeatureType, PolicyFeature
from lerobot.lerobot_types import TransitionKey
from lerobot.processor import ProcessorStep, ProcessorStepRegistry
from torch import Tensor

from embodied_mem.errors import InvalidMessage
from embodied_mem.messages import Budget, Context
from embodied_mem.policy.ways import fitted, prompts
from embodied_mem.robot_memory import RobotMemory

IMAGES = "observation.images."
MASK = "_padding_mask"


@ProcessorStepRegistry.register("embodied_mem_context")
@dataclass
class MemoryContextStep(ProcessorStep):
    """Tells a policy what `memory` knows about its task; put it first, before batches are made.

    `memory` is not saved with the pipeline. Give it again where the pipeline is loaded:
    `overrides={"embodied_mem_context": {"memory": memory}}`. Without one, tasks stay as they are and cameras black.

    Attributes:
        cameras: inputs `observation.images.NAME` for kept views, newest last, in the size of the first own camera.
            `observation.images.NAME_padding_mask` says which are real.
        tells_task: whether the task is told with the memory's text.
        tokens, ms: the budget of a context.
        memory: what is asked.
    """

    cameras: list[str] = field(default_factory=list)
    tells_task: bool = True
    tokens: int = 512
    ms: float = 20.0
    memory: RobotMemory | None = field(default=None, repr=False, compare=False)

    def __call__(self, transition: dict[Any, Any]) -> dict[Any, Any]:
        """The transition with the memory's words and views; what was given stays as it is."""
        extra = dict(transition.get(TransitionKey.COMPLEMENTARY_DATA) or {})
        task = extra.get("task", "")
        tasks = [task] if isinstance(task, str) else list(task)
        contexts = self._contexts(tasks)
        if self.tells_task and "task" in extra:
            told = prompts(tasks, contexts, len(tasks)) if contexts else tasks
            extra["task"] = told[0] if isinstance(task, str) else told
        result = {**transition, TransitionKey.COMPLEMENTARY_DATA: extra}
        if self.cameras:
            seen = transition.get(TransitionKey.OBSERVATION) or {}
            result[TransitionKey.OBSERVATION] = {**seen, **self._views(seen, contexts)}
        return result

    def get_config(self) -> dict[str, Any]:
        return {"cameras": self.cameras, "tells_task": self.tells_task, "tokens": self.tokens, "ms": self.ms}

    def transform_features(self, features: dict[Any, dict[str, Any]]) -> dict[Any, dict[str, Any]]:
        seen = features.get(PipelineFeatureType.OBSERVATION, {})
        shapes = [one.shape for one in seen.values() if one.type is FeatureType.VISUAL]
        added = {
            IMAGES + name: PolicyFeature(type=FeatureType.VISUAL, shape=shapes[0])
            for name in self.cameras
            if shapes
        }
        return {**features, PipelineFeatureType.OBSERVATION: {**seen, **added}}

    def _contexts(self, tasks: Sequence[str]) -> list[Context]:
        if self.memory is None:
            return []
        budget = Budget(tokens=self.tokens, ms=self.ms)
        made = {task: self.memory.context(task, budget=budget) for task in dict.fromkeys(tasks)}
        return [made[task] for task in tasks]

    def _views(self, seen: dict[str, Any], contexts: Sequence[Context]) -> dict[str, Tensor]:
        own = [value for key, value in seen.items() if key.startswith(IMAGES) and not key.endswith(MASK)]
        if not own:
            raise InvalidMessage(
                f"the observation has {sorted(seen)}, but no '{IMAGES}NAME'; kept views take their size from a camera. "
                "Leave `cameras` of the memory's step empty, or put it after the step that renames the cameras."
            )
        like = own[0]
        if not like.is_floating_point():
            raise InvalidMessage(
                f"the cameras' images are {like.dtype}; kept views are numbers in 0..1, as policies take them. Put the "
                "memory's step after the one that converts images to floats."
            )
        num_rows = len(like) if like.ndim == 4 else 1
        added: dict[str, Tensor] = {}
        for index, name in enumerate(self.cameras):
            rows = [
                _view(
                    contexts[min(row, len(contexts) - 1)] if contexts else None,
                    index,
                    len(self.cameras),
                    like,
                )
                for row in range(num_rows)
            ]
            image = torch.stack([view for view, _ in rows]).to(like)
            added[IMAGES + name] = image if like.ndim == 4 else image[0]
            added[IMAGES + name + MASK] = torch.tensor([is_real for _, is_real in rows], device=like.device)
        return added


def _view(context: Context | None, index: int, num_cameras: int, like: Tensor) -> tuple[Tensor, bool]:
    """The view for a camera (3, h, w) in 0..1, black where there is none, and whether there is one."""
    views = [] if context is None else list(context.keyframes)[-num_cameras:]
    if index >= len(views):
        return torch.zeros(like.shape[-3:]), False
    image = fitted(views[index].image, *like.shape[-2:])
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).float() / 255.0, True
