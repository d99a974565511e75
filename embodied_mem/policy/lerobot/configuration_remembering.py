"""The options of a LeRobot policy with memory. LeRobot finds policy and processors by the names of these modules."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import draccus
from lerobot.configs import PreTrainedConfig

from embodied_mem.errors import ConfigError
from embodied_mem.layers.banks import PerceptualBankConfig
from embodied_mem.policy.lerobot.token_places import KNOWN, TokenPlace


@PreTrainedConfig.register_subclass("remembering")
@dataclass
class RememberingConfig(PreTrainedConfig):
    """Any policy of LeRobot with memory.

    Attributes:
        base: the policy's own options, with its `type` among them (a mapping, since LeRobot's options cannot nest a policy's).
        module, layout: whose tokens are remembered, and how they lie (see `TokenPlace`); empty for act, diffusion and
            smolvla, where it is known.
        capacity, consolidation, bank_width: of the bank, as in `PerceptualBankConfig`.
        num_slots: how many robots or environments a batch may have; larger batches of training are taken in parts.
        period_s: between calls, where the batch has no `timestamp` (in seconds).
        history: which earlier frames a sample of training remembers, as steps before the present: [-40, -20, -10].
        memory_cameras: inputs `observation.images.NAME` that show views kept by the memory, newest last.
        tells_task: whether the task is told with what the memory knows about it.
    """

    base: dict[str, Any] = field(default_factory=lambda: {"type": "act"})
    module: str = ""
    layout: str = "batch_first"
    capacity: int = 16
    consolidation: str = "merge"
    bank_width: int | None = None
    num_slots: int = 8
    period_s: float = 0.1
    history: list[int] = field(default_factory=list)
    memory_cameras: list[str] = field(default_factory=list)
    tells_task: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_slots < 1 or self.period_s <= 0:
            raise ConfigError(
                f"num_slots is {self.num_slots}, period_s {self.period_s}; they must be at least 1 and above 0."
            )
        if sorted(set(self.history)) != list(self.history) or any(step >= 0 for step in self.history):
            raise ConfigError(
                f"history is {self.history}; name earlier frames by rising negative steps, such as [-40, -20, -10]."
            )
        try:
            self._own: Any = draccus.decode(PreTrainedConfig, self.base)
        except draccus.ParsingError as error:
            raise ConfigError(
                f"base {self.base} is no policy of LeRobot's ({error}); give its `type` and options, or use "
                "RememberingConfig.around(config)."
            ) from error

    @classmethod
    def around(cls, base: Any, **options: Any) -> RememberingConfig:
        """Memory for the policy that has this config."""
        encoded = json.loads(json.dumps(draccus.encode(base, PreTrainedConfig)))
        shared = ("input_features", "output_features", "device")
        return cls(
            base={name: value for name, value in encoded.items() if name not in shared},
            **{name: getattr(base, name) for name in shared}, **options,
        )  # fmt: skip

    @property
    def base_config(self) -> Any:
        """The policy's own config, with the inputs, outputs and device that this one has."""
        for name in ("input_features", "output_features", "device"):
            setattr(self._own, name, getattr(self, name))
        return self._own

    @property
    def token_place(self) -> TokenPlace:
        """Whose tokens are remembered.

        Raises:
            ConfigError: it is not known for this base, and not said.
        """
        if self.module:
            return TokenPlace(module=self.module, layout=self.layout)  # type: ignore[arg-type]  # checked by use
        if self._own.type not in KNOWN:
            raise ConfigError(
                f"which tokens of a {self._own.type!r} policy to remember is not known (it is for {sorted(KNOWN)}); say "
                "`module` and `layout`."
            )
        return KNOWN[self._own.type]

    def bank_config(self, *, num_slots: int, num_tokens: int, token_width: int) -> PerceptualBankConfig:
        """The bank's options."""
        return PerceptualBankConfig(
            num_slots=num_slots, num_tokens=num_tokens, token_width=token_width, capacity=self.capacity,
            bank_width=self.bank_width, consolidation=self.consolidation,  # type: ignore[arg-type]  # checked there
        )  # fmt: skip

    @property
    def observation_delta_indices(self) -> list[int] | None:
        own: list[int] | None = self._own.observation_delta_indices
        return [*self.history, *(own or [0])] if self.history else own

    @property
    def action_delta_indices(self) -> list[int] | None:
        indices: list[int] | None = self._own.action_delta_indices
        return indices

    @property
    def reward_delta_indices(self) -> list[int] | None:
        indices: list[int] | None = self._own.reward_delta_indices
        return indices

    def get_optimizer_preset(self) -> Any:
        return self._own.get_optimizer_preset()

    def get_scheduler_preset(self) -> Any:
        return self._own.get_scheduler_preset()

    def validate_features(self) -> None:
        self.base_config.validate_features()
