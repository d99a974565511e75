"""The one result format."""

import json
import math

import pytest

from embodied_mem.benchmarks.results import BenchmarkResult, Goal, Row, measured, write_json
from embodied_mem.errors import ConfigError

GOALS = {"demo.answers.right": Goal(op=">=", value=1.0), "observe.cpu_ms": Goal(op="<=", value=15.0)}


def test_a_row_knows_whether_it_meets_its_goal():
    assert measured(GOALS, "observe.cpu_ms", 15.0, "ms").ok is True
    assert measured(GOALS, "observe.cpu_ms", 15.1, "ms").ok is False
    assert measured(GOALS, "demo.answers.right", 0.99).ok is False
    assert measured(GOALS, "observe.cpu_ms/p95", 99.0, "ms").ok is None


def test_a_figure_that_could_not_be_measured_misses_its_goal():
    assert measured(GOALS, "observe.cpu_ms", math.nan).ok is False


def test_a_mistyped_metric_is_refused_with_the_nearest_one():
    with pytest.raises(ConfigError, match=r"Did you mean 'observe\.cpu_ms'"):
        measured(GOALS, "observe.cpu_m", 3.0)


def test_the_json_has_the_fields_of_the_format_and_survives_nan(tmp_path):
    rows = (
        measured(GOALS, "observe.cpu_ms", math.nan, "ms"),
        Row(metric="x", value=2.0, interval=(1.0, math.inf)),
    )
    result = BenchmarkResult(name="spine", rows=rows, config={"a": 1}, seeds=[3], extra={"questions": []})
    path = write_json(result, tmp_path / "deep" / "spine.json")
    read = json.loads(path.read_text())
    assert set(read) == {"name", "commit", "config", "seeds", "versions", "machine", "rows", "questions"}
    assert read["rows"][0] == {
        "metric": "observe.cpu_ms", "value": None, "unit": "ms", "interval": None, "baseline": None,
        "goal": {"op": "<=", "value": 15.0}, "ok": False,
    }  # fmt: skip
    assert read["rows"][1]["interval"] == [1.0, None]
    assert read["versions"]["numpy"]
    assert read["machine"]["cores"] >= 1
    assert result.misses == (rows[0],)
    assert [p.name for p in path.parent.iterdir()] == ["spine.json"]
