"""Hydra overrides to config dataclasses: YAML under configs/ chooses and overrides, a dataclass holds every default.

`embodied-mem episode env=household seed=3 memory.occupancy.cell_m=0.05`: a word with `=` either chooses a file of a
group (`env=household` is configs/env/household.yaml) or overrides one option by its dotted name.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.resources
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from embodied_mem.benchmarks.run_configs import EnvChoice
from embodied_mem.config import build
from embodied_mem.errors import ConfigError, UnknownConfigKey, did_you_mean

if typing.TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

C = TypeVar("C")

ENV_CONFIGS = {"EmbodiedMem/Household-v0": "embodied_mem.envs.mujoco.config:HouseholdConfig"}
"""Which dataclass holds the options of a registered environment."""


def config_folder() -> Path:
    """configs/, in the checkout or in the installed package."""
    return Path(str(importlib.resources.files("embodied_mem") / "configs"))


def load(cls: type[C], name: str, overrides: Sequence[str] = ()) -> C:
    """The config `name` (configs/<name>.yaml) with `overrides`, built as `cls`.

    Raises:
        UnknownConfigKey: an override or a YAML key that no dataclass has.
        ConfigError: an override that cannot be read, a choice that a group has not, a value of the wrong type.
    """
    parsed = parse(overrides)
    several = [one.input_line for one in parsed if one.is_sweep_override()]
    if several:
        raise ConfigError(
            f"{several[0]!r} names several runs; this would be one. Add --multirun (-m) to run each."
        )
    choices = [one.input_line for one in parsed if one.get_key_element() in groups()]
    values = [one for one in parsed if one.get_key_element() not in groups()]
    base = _build(cls, _compose(name, choices))
    known = set(option_names(base))
    return _build(cls, _compose(name, [*choices, *(_forced(one, known) for one in values)]))


def load_runs(cls: type[C], name: str, overrides: Sequence[str], *, multirun: bool) -> list[C]:
    """One config, or with `multirun` one for each combination that the overrides stand for, each with an `out` of
    its own below the config's.
    """
    if not multirun:
        return [load(cls, name, overrides)]
    return [_in_own_folder(load(cls, name, run), run, overrides) for run in runs(overrides)]


def _in_own_folder(config: C, run: Sequence[str], overrides: Sequence[str]) -> C:
    own = ",".join(part for part in run if part not in overrides)
    settable = typing.cast(Any, config)
    return typing.cast(C, dataclasses.replace(settable, out=f"{settable.out}/{own}" if own else settable.out))


def runs(overrides: Sequence[str]) -> list[list[str]]:
    """One list of overrides for each run that comma lists and ranges (`seed=0,1,2`, `seed=range(0,10)`) stand for."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    batches = BasicSweeper.split_arguments(parse(overrides), max_batch_size=None)
    return [list(run) for batch in batches for run in batch]


def parse(overrides: Sequence[str]) -> list[Override]:
    """Hydra's reading of `overrides`.

    Raises:
        ConfigError: an override that is not Hydra's `key=value`.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import OverrideParseException

    try:
        return list(OverridesParser.create().parse_overrides(list(overrides)))
    except OverrideParseException as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"cannot read the override {error.override!r}: {reason}. Write key=value, such as seed=3; options that "
            "begin with -- go before the overrides."
        ) from error


def groups() -> dict[str, tuple[str, ...]]:
    """Each group of configs/ with the names that it offers."""
    folders = (path for path in config_folder().iterdir() if path.is_dir() and any(path.glob("*.yaml")))
    return {
        folder.name: tuple(sorted(file.stem for file in folder.glob("*.yaml"))) for folder in sorted(folders)
    }


def option_names(config: object) -> Iterator[str]:
    """Every dotted name that may be overridden in a built config."""
    yield from (name for name, _ in flat(as_mapping(config)))


def as_mapping(config: object) -> Any:
    """A built config as plain values, to write beside results; the same keys as on the command line."""
    if isinstance(config, EnvChoice):
        return {"id": config.id, **as_mapping(config.options)}
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        return {field.name: as_mapping(getattr(config, field.name)) for field in dataclasses.fields(config)}
    if isinstance(config, (list, tuple)):
        return [as_mapping(item) for item in config]
    if isinstance(config, Mapping):
        return {str(key): as_mapping(value) for key, value in config.items()}
    return config if isinstance(config, (bool, int, float, str, type(None))) else str(config)


def flat(mapping: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested mappings under their dotted names."""
    for key, value in mapping.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{at}{key}.")
        else:
            yield f"{at}{key}", value


def _forced(override: Override, known: set[str]) -> str:
    # `++` because a YAML holds only what it changes, while every option of the dataclasses may be overridden.
    if override.is_delete():
        raise ConfigError(
            f"{override.input_line!r} deletes an option; options can only be set, as in key=value."
        )
    key = override.get_key_element().lstrip("+")
    if key not in known and not any(name.startswith(f"{key}.") for name in known):
        words = [*known, *groups()]
        raise UnknownConfigKey(
            f"unknown configuration key {key!r}; groups are {sorted(groups())}.{did_you_mean(key, words)} "
            "See every key with --show-config."
        )
    return f"++{key}={override.get_value_element_as_str()}"


def _compose(name: str, overrides: list[str]) -> dict[str, Any]:
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf

    try:
        with initialize_config_dir(config_dir=str(config_folder().resolve()), version_base="1.3"):
            config = compose(config_name=name, overrides=overrides)
    except HydraException as error:
        raise _refused_choice(overrides, error) from error
    return typing.cast("dict[str, Any]", OmegaConf.to_container(config, resolve=True))


def _refused_choice(overrides: list[str], error: Exception) -> ConfigError:
    have = groups()
    for group, _, choice in (line.partition("=") for line in overrides):
        if group in have and choice not in have[group]:
            near = did_you_mean(choice, have[group])
            return ConfigError(f"no {group} is named {choice!r}; have {list(have[group])}.{near}")
    return ConfigError(f"cannot compose the configuration: {error} See every key with --show-config.")


def _build(cls: type[C], values: Mapping[str, Any]) -> C:
    chosen = dict(values)
    for name, hint in typing.get_type_hints(cls).items():
        if hint is EnvChoice and isinstance(chosen.get(name), Mapping):
            chosen[name] = _env_choice(name, chosen[name])
    return build(cls, chosen)


def _env_choice(name: str, values: Mapping[str, Any]) -> EnvChoice:
    env_id = values.get("id")
    if env_id not in ENV_CONFIGS:
        near = did_you_mean(str(env_id), ENV_CONFIGS)
        raise ConfigError(f"{name}.id is {env_id!r}; it must be one of {sorted(ENV_CONFIGS)}.{near}")
    module, _, attribute = ENV_CONFIGS[str(env_id)].partition(":")
    owner = getattr(importlib.import_module(module), attribute)
    rest = {key: value for key, value in values.items() if key != "id"}
    return EnvChoice(id=str(env_id), options=build(owner, rest, at=f"{name}."))
