from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pytest

from embodied_mem.config import build, options, override
from embodied_mem.errors import ConfigError, UnknownConfigKey


@dataclass(frozen=True, kw_only=True)
class Wheel:
    radius_m: float = 0.1
    kind: Literal["rubber", "steel"] = "rubber"


@dataclass(frozen=True, kw_only=True)
class Robot:
    name: str = "robot"
    num_arms: int = 1
    is_fast: bool = False
    limit_m: float | None = None
    labels: tuple[str, ...] = ("person",)
    wheel: Wheel = field(default_factory=Wheel)


def test_options_walks_every_leaf_with_its_dotted_name() -> None:
    assert [option.name for option in options(Robot)] == [
        "name", "num_arms", "is_fast", "limit_m", "labels", "wheel.radius_m", "wheel.kind",
    ]  # fmt: skip
    assert {o.name: o.default for o in options(Robot(num_arms=2))}["num_arms"] == 2


def test_build_puts_a_mapping_over_the_defaults() -> None:
    robot = build(Robot, {"num_arms": 2, "limit_m": 3, "labels": ["cat", "dog"], "wheel": {"radius_m": 1}})
    assert robot == Robot(num_arms=2, limit_m=3.0, labels=("cat", "dog"), wheel=Wheel(radius_m=1.0))


def test_override_changes_only_what_is_named() -> None:
    robot = override(Robot(name="r2", wheel=Wheel(radius_m=0.3)), {"wheel.kind": "steel", "limit_m": None})
    assert robot == Robot(name="r2", wheel=Wheel(radius_m=0.3, kind="steel"))


@pytest.mark.parametrize("make", [build, lambda cls, values: override(cls(), values)])
def test_an_unknown_key_is_refused_with_the_nearest_one(make) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UnknownConfigKey, match=r"'wheel.radius'.*Did you mean 'radius_m'"):
        make(Robot, {"wheel": {"radius": 1.0}})


@pytest.mark.parametrize(
    "values",
    [
        {"num_arms": "two"},
        {"num_arms": True},
        {"is_fast": 1},
        {"wheel": {"kind": "stel"}},
        {"name": 3},
        {"limit_m": "x"},
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="it must be"):
        build(Robot, values)
