"""Questions on the command line."""

import pytest
from click.testing import CliRunner

from embodied_mem.cli.main import cli
from embodied_mem.cli.query import build_query
from embodied_mem.errors import InvalidQuery
from embodied_mem.geometry import Box
from embodied_mem.messages import Interval, Query, Region


def test_a_question_becomes_the_query_it_states():
    query = build_query("find", "mug", color="red", near=(1.0, 2.0, 0.5, 3.0), since=5, as_of=9, k=2)
    region = Region(center_world_m=(1.0, 2.0, 0.5), radius_m=3.0)
    assert query == Query(
        kind="find",
        entity="mug",
        attributes={"color": "red"},
        region=region,
        interval=Interval(from_ns=5),
        as_of_ns=9,
        k=2,
    )
    box = build_query("count", None, label="mug", box=(0, 0, 0, 1, 1, 1)).region
    assert box == Region(box=Box(min_m=(0, 0, 0), max_m=(1, 1, 1)))
    assert build_query("count", "mug").label == "mug"


@pytest.mark.parametrize(("kind", "entity"), [("where", None), ("history", None), ("count", None)])
def test_a_question_about_nothing_is_refused_with_what_to_add(kind, entity):
    with pytest.raises(InvalidQuery, match="add "):
        build_query(kind, entity)


def test_times_are_nanoseconds_or_seconds(tmp_path):
    runner = CliRunner()
    result = runner.invoke(cli, ["query", str(tmp_path), "where", "mug", "--as-of", "soon"])
    assert result.exit_code == 2
    assert "80.5s" in result.output
    result = runner.invoke(cli, ["query", str(tmp_path), "where", "mug", "--near", "1,2"])
    assert result.exit_code == 2
    assert "x,y,z,radius" in result.output
