"""Overrides, groups and config dataclasses. What the YAML files run is in test_configs.py."""

import pytest

pytest.importorskip("hydra")

from embodied_mem.benchmarks.run_configs import EpisodeConfig, ReplayConfig
from embodied_mem.cli import compose
from embodied_mem.errors import ConfigError, UnknownConfigKey


def test_groups_are_the_folders_of_configs():
    assert set(compose.groups()) == {"env", "memory", "policy"}
    assert "household" in compose.groups()["env"]


def test_a_choice_and_an_override_reach_the_dataclasses():
    config = compose.load(
        EpisodeConfig, "episode", ["memory=fine", "seed=7", "env.image_size=[120,160]", "memory.autosave_s=5"]
    )
    assert config.seed == 7
    assert config.env.options.image_size == (120, 160)
    assert config.memory.occupancy.cell_m == 0.04
    assert config.memory.autosave_s == 5.0


def test_an_option_that_no_yaml_mentions_can_be_overridden():
    config = compose.load(ReplayConfig, "replay", ["memory.perception.min_pixels=99"])
    assert config.memory.perception.min_pixels == 99


@pytest.mark.parametrize(
    ("override", "near"),
    [
        ("sead=1", "seed"),
        ("memory.ocupancy.cell_m=1", "memory.occupancy.cell_m"),
        ("env.image_sise=[1,2]", "env.image_size"),
        ("polcy=explore", "policy"),
        ("+memory.occupancy.cel_m=1", "memory.occupancy.cell_m"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_one(override, near):
    with pytest.raises(UnknownConfigKey, match=f"Did you mean '{near}'"):
        compose.load(EpisodeConfig, "episode", [override])


def test_an_unknown_choice_is_refused_with_those_there_are():
    with pytest.raises(ConfigError, match=r"no env is named 'househld'.*Did you mean 'household'"):
        compose.load(EpisodeConfig, "episode", ["env=househld"])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed", "cannot read the override 'seed'"),
        ("seed=many", "seed is 'many'"),
        ("env.script=party", "script is 'party'; allowed"),
        ("env.id=EmbodiedMem/Home-v0", "Did you mean 'EmbodiedMem/Household-v0'"),
        ("~seed", "deletes an option"),
        ("seed=0,1", "names several runs"),
    ],
)
def test_an_override_that_cannot_be_used_says_why(override, message):
    with pytest.raises(ConfigError, match=message):
        compose.load(EpisodeConfig, "episode", [override])


def test_multirun_is_every_combination_each_in_a_folder_of_its_own():
    overrides = ["seed=range(0,3)", "memory=default,coarse", "out=outputs/x"]
    configs = compose.load_runs(EpisodeConfig, "episode", overrides, multirun=True)
    assert [(config.seed, config.memory.occupancy.stride_px) for config in configs] == [
        (0, 4), (0, 6), (1, 4), (1, 6), (2, 4), (2, 6),
    ]  # fmt: skip
    assert configs[3].out == "outputs/x/seed=1,memory=coarse"
    assert len({config.out for config in configs}) == 6


def test_a_config_printed_as_overrides_composes_to_itself():
    import json

    config = compose.load(EpisodeConfig, "demo", ["seed=4"])
    lines = [f"{name}={json.dumps(value)}" for name, value in compose.flat(compose.as_mapping(config))]
    assert compose.load(EpisodeConfig, "demo", [line for line in lines if not line.endswith("={}")]) == config
