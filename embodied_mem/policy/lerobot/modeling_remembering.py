"""Any policy of LeRobot with a bank behind its tokens, as a policy of LeRobot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import torch
from lerobot.policies.factory import get_policy_class
from lerobot.policies.pretrained import PreTrainedPolicy
from torch import Tensor, nn

from embodied_mem.errors import InvalidMessage, UnknownSlot
from embodied_mem.layers.banks import PerceptualBank
from embodied_mem.policy.adapter import MemoryAdapter
from embodied_mem.policy.lerobot.configuration_remembering import RememberingConfig

NUM_WORDS = 4
"""How long the task is when a policy is tried on empty inputs."""


class _Passing(NamedTuple):
    """What is known of the tokens that pass while the policy decides."""

    stamps: list[int]
    calls: list[tuple[int, int]]
    """(tokens, width) of each time that the module was called: policies may call it, or several alike, for one camera after the other."""


class RememberingPolicy(PreTrainedPolicy):
    """A policy of LeRobot whose tokens pass through a bank (`memory.bank`), and all else as it was.

    The memory's gate is shut at first, so that actions are exactly those of the base. Every decision is one step of memory;
    actions that wait in the base's queue are none. Rows of a batch are slots. Its time is the batch's `timestamp` in
    seconds, or calls counted in `period_s`.
    """

    config_class = RememberingConfig
    name = "remembering"

    def __init__(self, config: RememberingConfig, base: Any = None, **_: Any) -> None:
        super().__init__(config)
        self.base = get_policy_class(config.base_config.type)(config.base_config) if base is None else base
        self._place = config.token_place
        self._passing: _Passing | None = None
        self._num_calls = 0
        shapes = self._tried()
        num_tokens, width = shapes[0]
        bank = PerceptualBank(
            config.bank_config(
                num_slots=config.num_slots * len(shapes), num_tokens=num_tokens, token_width=width
            )
        )
        self.memory = MemoryAdapter(bank, num_channels=width)
        for module in self._modules_of_tokens():
            module.register_forward_hook(self._remember)

    @classmethod
    def around(cls, policy: Any, **options: Any) -> RememberingPolicy:
        """Memory for a policy that is there already, with the weights that it has; options as of `RememberingConfig`."""
        return cls(RememberingConfig.around(policy.config, **options), base=policy)

    def reset(self) -> None:
        """An episode begins."""
        self.base.reset()
        self.memory.reset()
        self._num_calls = 0

    def get_optim_params(self) -> Any:
        """The base's parameters, with the memory's among them."""
        own, memory = self.base.get_optim_params(), list(self.memory.parameters())
        if isinstance(own, list) and own and isinstance(own[0], dict):
            return [*own, {"params": memory}]
        return [*own, *memory]

    def select_action(self, batch: dict[str, Any], **options: Any) -> Tensor:
        """The next action of each row."""
        return self._act(self.base.select_action, batch, options)

    def predict_action_chunk(self, batch: dict[str, Any], **options: Any) -> Tensor:
        """The next actions of each row."""
        return self._act(self.base.predict_action_chunk, batch, options)

    def forward(self, batch: dict[str, Any]) -> tuple[Tensor, dict[str, Any] | None]:
        """The base's loss, with the frames of `history` remembered. Before an episode's start its first frame stands in.

        What was remembered until now is forgotten.
        """
        num_rows, at_once = self._num_rows(batch), self.config.num_slots
        parts = [_rows(batch, slice(i, i + at_once), num_rows) for i in range(0, num_rows, at_once)]
        losses = [self._loss(part) for part in parts]
        shares = [self._num_rows(part) / num_rows for part in parts]
        mean = torch.stack([loss * share for (loss, _), share in zip(losses, shares, strict=True)]).sum()
        return mean, _mean_of([report for _, report in losses], shares)

    def _act(self, decide: Any, batch: dict[str, Any], options: dict[str, Any]) -> Tensor:
        self.eval()
        num_rows = self._num_rows(batch)
        if num_rows > self.config.num_slots:
            raise UnknownSlot(
                f"the batch has {num_rows} rows, the policy remembers for {self.config.num_slots}; make it with "
                f"num_slots={num_rows}."
            )
        stamps = self._stamps(batch, num_rows)
        # The base keeps what it is given, even when the memory refuses it.
        self._require_usable(batch, stamps)
        with self._at(stamps):
            actions: Tensor = decide(batch, **options)
        self._num_calls += 1
        return actions

    def _loss(self, batch: dict[str, Any]) -> tuple[Tensor, dict[str, Any] | None]:
        history, num_rows = self.config.history, self._num_rows(batch)
        self.memory.reset()
        for index, step in enumerate(history):
            with (
                self._at(self._after_s((step - history[0]) * self.config.period_s, num_rows)),
                torch.no_grad(),
            ):
                self.base(self._frame(batch, index))
        now_s = -history[0] * self.config.period_s if history else 0.0
        with self._at(self._after_s(now_s, num_rows)):
            loss: tuple[Tensor, dict[str, Any] | None] = self.base(self._present(batch))
        return loss

    def _frame(self, batch: dict[str, Any], index: int) -> dict[str, Any]:
        """An earlier frame as if it had stood still."""
        own = self.config.base_config.observation_delta_indices
        frames = {key: batch[key][:, index] for key in self.config.base_config.input_features if key in batch}
        if own is not None:
            frames = {key: value[:, None].repeat_interleave(len(own), 1) for key, value in frames.items()}
        return {**batch, **frames}

    def _present(self, batch: dict[str, Any]) -> dict[str, Any]:
        if not self.config.history:
            return batch
        if self.config.base_config.observation_delta_indices is None:
            return self._frame(batch, -1)
        first = len(self.config.history)
        return {
            **batch,
            **{key: batch[key][:, first:] for key in self.config.base_config.input_features if key in batch},
        }

    def _num_rows(self, batch: dict[str, Any]) -> int:
        for key in self.config.base_config.input_features:
            if key in batch:
                return len(batch[key])
        raise InvalidMessage(
            f"the batch has {sorted(batch)}, but none of {sorted(self.config.base_config.input_features)}, which the policy takes."
        )

    def _stamps(self, batch: dict[str, Any], num_rows: int) -> list[int]:
        if batch.get("timestamp") is None:
            return self._after_s(self._num_calls * self.config.period_s, num_rows)
        try:
            seconds = torch.as_tensor(batch["timestamp"], dtype=torch.float64).flatten().expand(num_rows)
        except (TypeError, ValueError, RuntimeError) as error:
            raise InvalidMessage(
                f"timestamp is {batch['timestamp']!r} ({error}); it must be seconds, one number or one for each of {num_rows} rows."
            ) from error
        if not seconds.isfinite().all():
            raise InvalidMessage(f"timestamp is {seconds.tolist()}; it must be finite seconds.")
        return [round(one * 1e9) for one in seconds.tolist()]

    def _require_usable(self, batch: dict[str, Any], stamps: list[int]) -> None:
        cast(PerceptualBank, self.memory.bank).clock.check_times(stamps, list(range(len(stamps))))
        for key in self.config.base_config.input_features:
            if key in batch and not torch.as_tensor(batch[key]).isfinite().all():
                raise InvalidMessage(
                    f"{key} has values that are not finite; drop this observation, nothing of it was remembered."
                )

    def _after_s(self, seconds: float, num_rows: int) -> list[int]:
        return [round(seconds * 1e9)] * num_rows

    def _modules_of_tokens(self) -> list[nn.Module]:
        try:
            module = self.base.get_submodule(self._place.module)
        except AttributeError as error:
            raise InvalidMessage(
                f"the {self.config.base_config.type} policy has no module {self._place.module!r} ({error}); "
                "`named_modules()` lists them."
            ) from error
        return list(module) if isinstance(module, nn.ModuleList) else [module]  # one for each camera

    @contextmanager
    def _at(self, stamps: list[int]) -> Iterator[_Passing]:
        self._passing = _Passing(stamps, [])
        try:
            yield self._passing
        finally:
            self._passing = None

    def _remember(self, _: nn.Module, __: Any, output: Tensor) -> Tensor | None:
        """Pass the module's tokens through the memory; each time that it is called has slots of its own."""
        if self._passing is None:  # the base is used by itself
            return None
        stamps, calls = self._passing
        first = len(calls) * self.config.num_slots
        rows = self._place.rows(output, len(stamps))
        calls.append((rows.shape[1], rows.shape[2]))
        with self.memory.at(stamps, list(range(first, first + len(stamps)))):
            return self._place.back(self.memory(rows))

    @torch.no_grad()
    def _tried(self) -> list[tuple[int, int]]:
        """(tokens, width) of each time that the module is called for one decision on empty inputs.

        Raises:
            InvalidMessage: it is not called, or differently each time.
        """
        shapes: list[tuple[int, int]] = []

        def look(_: nn.Module, __: Any, output: Tensor) -> None:
            rows = self._place.rows(output, 1)
            shapes.append((rows.shape[1], rows.shape[2]))

        handles = [module.register_forward_hook(look) for module in self._modules_of_tokens()]
        try:
            with torch.random.fork_rng(devices=[]):
                self.base.eval().select_action(_empty_inputs(self.config.base_config))
        finally:
            for handle in handles:
                handle.remove()
            self.base.reset()
        if len(set(shapes)) != 1:
            raise InvalidMessage(
                f"{self._place.module} gives tokens of shapes {shapes} for one decision; memory goes behind a module that "
                "gives the same number of tokens each time. Name another in `module`."
            )
        return shapes


def _mean_of(reports: Sequence[dict[str, Any] | None], shares: Sequence[float]) -> dict[str, Any] | None:
    """What a policy tells beside its loss, over all parts of a batch: numbers by their share, the rest of the last part."""
    if reports[-1] is None or len(reports) == 1:
        return reports[-1]
    told = [report or {} for report in reports]
    return {
        key: sum(report.get(key, 0.0) * share for report, share in zip(told, shares, strict=True))
        if isinstance(value, int | float)
        else value
        for key, value in reports[-1].items()
    }


def _empty_inputs(base: Any) -> dict[str, Tensor]:
    """One row of zeros of everything that a policy takes."""
    inputs = {key: torch.zeros(1, *feature.shape) for key, feature in base.input_features.items()}
    words = torch.ones(1, NUM_WORDS, dtype=torch.int64)
    inputs |= {"observation.language.tokens": words, "observation.language.attention_mask": words.bool()}
    return {key: value.to(base.device) for key, value in inputs.items()}


def _rows(batch: dict[str, Any], which: slice, num_rows: int) -> dict[str, Any]:
    """These rows of what has rows."""
    return {
        key: value[which] if isinstance(value, Tensor | list) and len(value) == num_rows else value
        for key, value in batch.items()
    }
