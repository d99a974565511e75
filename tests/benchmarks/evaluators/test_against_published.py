"""Compat scores against the published formulas, written down here a second time, as plainly as they can be."""

from __future__ import annotations

import ast
import itertools
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embodied_mem.benchmarks.evaluators import (
    episodes,
    evt,
    findingdory,
    halumem,
    lmee,
    navqa,
    occ_scannet,
    openeqa,
    ost,
    vstar,
)

GOALS = st.lists(st.lists(st.integers(0, 5), max_size=4), max_size=3)
WORDS = st.text(alphabet="abnot \"'", max_size=8)
NUMBERS = st.one_of(
    st.integers(-20, 20), st.floats(-20, 20), st.sampled_from(["3", "0", "x", "", "-2.5", None])
)


@given(GOALS, GOALS)
def test_findingdory_is_the_product_of_the_precisions_of_answered_goals(predicted, truth) -> None:
    product = 1.0 if len(predicted) == len(truth) else 0.0
    if product:
        for mine, right in zip(predicted, truth, strict=True):
            if mine and right:
                product *= len([frame for frame in mine if frame in right]) / len(mine)
    assert findingdory.relaxed_score(predicted, truth, "compat") == pytest.approx(product)


@given(st.booleans(), st.floats(0.0, 50.0), st.floats(0.0, 50.0))
def test_findingdory_spl_is_andersons(is_success, shortest_m, taken_m) -> None:
    longest = max(shortest_m, taken_m)
    right = (shortest_m / longest if longest else 1.0) if is_success else 0.0
    assert findingdory.spl(is_success, shortest_m, taken_m) == right


def is_subsequence(small: str, large: str) -> bool:
    letters = iter(large)
    return all(letter in letters for letter in small)


@given(WORDS, st.lists(WORDS, min_size=2, max_size=3, unique=True), st.data())
def test_ost_judgement_goes_to_the_option_with_the_longest_common_subsequence(said, options, data) -> None:
    truth = data.draw(st.sampled_from([option for option in options if '"' not in option] or ["-"]))
    if truth not in options:
        return

    def common(option: str) -> int:
        a, b = said.strip().lower(), option.strip().lower()
        picks = (itertools.combinations(a, n) for n in range(len(a), -1, -1))
        return next(len(pick) for pick in itertools.chain(*picks) if is_subsequence("".join(pick), b))

    best = [common(option) for option in options]
    assert ost.judgement(said, truth, options, "compat") == float(options[best.index(max(best))] == truth)


@given(NUMBERS, NUMBERS)
def test_ost_estimation_counts_ten_thresholds(predicted, truth) -> None:
    try:
        mine, right = float(predicted), float(truth)
    except (TypeError, ValueError):
        assert ost.estimation(predicted, truth, "compat") == 0.0
        return
    if right == 0.0:
        with pytest.raises(ZeroDivisionError):
            ost.estimation(predicted, truth, "compat")
        return
    met = [c for c in np.arange(10) if abs(right - mine) / abs(right) < 1 - (0.5 + 0.05 * c)]
    assert ost.estimation(predicted, truth, "compat") == pytest.approx(0.1 * len(met))


@given(
    st.sampled_from(["often", "none", "three", "it is two", "4", "4.0", "nine ten", "x", ""]),
    st.integers(0, 10),
)
def test_ost_counts_know_number_words_inside_other_words(said, truth) -> None:
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    inside = [number for number, word in enumerate(words) if word in said]
    mine = inside[0] if inside else int(said) if re.fullmatch(r"-?\d+", said) else None
    assert ost.enumeration(said, truth, "compat") == float(mine == truth)


@given(st.lists(st.integers(0, 7), min_size=1, max_size=6))
def test_openeqa_is_the_mean_of_clipped_marks_on_a_scale_to_a_hundred(marks) -> None:
    questions = [
        openeqa.Question(question_id=str(i), question=str(mark), answer="", category="c", episode="e")
        for i, mark in enumerate(marks)
    ]
    found = openeqa.evaluate(
        questions, {one.question_id: "" for one in questions}, lambda q, a, g, e: int(q), "compat"
    )
    assert (
        found["all"]
        == found["c"]
        == pytest.approx(np.mean([100 * (min(5, max(1, m)) - 1) / 4 for m in marks]))
    )


@given(st.text(alphabet="a.3 m", max_size=10))
def test_openeqa_cuts_an_answer_behind_its_last_period(answer) -> None:
    right = answer if "." not in answer else answer[: len(answer) - answer[::-1].index(".")]
    assert openeqa.trimmed(answer, "compat") == right


STEPS = st.one_of(st.integers(0, 50), st.just(math.nan))


@given(
    st.lists(
        st.fixed_dictionaries(
            {"success": st.sampled_from([0.0, 1.0, math.nan]), "following_step": STEPS, "total_step": STEPS,
             "collision": st.sampled_from([0.0, 1.0, math.nan])}
        ),
        min_size=1, max_size=5,
    )
)  # fmt: skip
def test_evt_counts_steps_over_all_episodes(found) -> None:
    def total(key: str) -> float:
        return sum(one[key] for one in found if one[key] == one[key])

    if total("total_step") == 0:
        with pytest.raises(ZeroDivisionError):
            evt.evaluate(found, mode="compat")
        return
    score = evt.evaluate(found, mode="compat")
    assert score["success_rate"] == len([one for one in found if one["success"] != 0.0]) / len(found)
    assert score["tracking_rate"] == pytest.approx(total("following_step") / total("total_step"))
    assert score["collision_rate"] == pytest.approx(total("collision") / len(found))


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=30))
def test_occ_scannet_counts_voxel_by_voxel(voxels) -> None:
    score = occ_scannet.OccupancyScore("compat")
    score.add(np.array([p for p, _ in voxels]), np.array([t for _, t in voxels]))
    known = [(p, t) for p, t in voxels if t != 0]
    both = len([1 for p, t in known if p != 12 and t != 12])
    either = len([1 for p, t in known if p != 12 or t != 12])
    shares = []
    for label in range(1, 12):
        hits = len([1 for p, t in known if p == t == label])
        union = len([1 for p, t in known if label in (p, t)])
        shares.append(hits / (union + 1e-5))
    found = score.result()
    assert found["iou"] == pytest.approx(both / either if both else 0.0)
    assert found["miou"] == pytest.approx(sum(shares) / 11)


BOX = st.lists(st.integers(0, 6), min_size=4, max_size=4)


@given(BOX, BOX)
def test_vstar_boxes_overlap_cell_by_cell(truth, predicted) -> None:
    (ax, ay, bx, by), (cx, cy, dx, dy) = truth, predicted
    if ax >= bx or ay >= by or cx >= dx or cy >= dy:
        return
    mine = {(x, y) for x in range(cx, dx) for y in range(cy, dy)}
    right = {(x, y) for x in range(ax, bx) for y in range(ay, by)}
    found = vstar.box_iou({"xmin": ax, "ymin": ay, "xmax": bx, "ymax": by}, predicted)
    assert found == pytest.approx(len(mine & right) / len(mine | right))


@given(st.tuples(st.integers(0, 9), st.integers(0, 9)), st.tuples(st.integers(0, 9), st.integers(0, 9)))
def test_vstar_spans_overlap_second_by_second(truth, predicted) -> None:
    (a, b), (c, d) = sorted(truth), sorted(predicted)
    if a == b or c == d:
        return
    # As published, seconds between spans that lie apart count in the union.
    shared, union = set(range(a, b)) & set(range(c, d)), range(min(a, c), max(b, d))
    assert vstar.temporal_iou((a, b), [c, d]) == pytest.approx(len(shared) / len(union))
    assert vstar.temporal_iou((a, b), str([c, d])) == pytest.approx(len(shared) / len(union))


MARKS = st.sampled_from([0, 1, 2, None])


@given(st.lists(st.tuples(st.booleans(), MARKS, st.integers(1, 4)), min_size=1, max_size=8))
def test_halumem_extraction_is_what_was_kept_of_what_should_be(rows) -> None:
    records = {
        "memory_integrity_records": [
            {"memory_source": "interference" if odd else "dialogue", "importance": weight / 4, "memory_integrity_score": mark}
            for odd, mark, weight in rows
        ],
        "memory_accuracy_records": [{"memory_accuracy_score": 2, "is_included_in_golden_memories": "true"}],
        "memory_update_records": [{"memory_update_type": "Correct"}],
        "question_answering_records": [{"result_type": "Correct"}],
    }  # fmt: skip
    wanted = [(mark, weight / 4) for odd, mark, weight in rows if not odd]
    unwanted = [mark for odd, mark, _ in rows if odd]
    judged = [(mark, weight) for mark, weight in wanted if mark is not None]
    if not judged or not [mark for mark in unwanted if mark is not None]:
        with pytest.raises(ZeroDivisionError):
            halumem.evaluate(records, "compat")
        return
    found = halumem.evaluate(records, "compat")
    assert found["recall(all)"] == sum(mark == 2 for mark, _ in wanted) / len(wanted)
    assert found["weighted_recall(valid)"] == pytest.approx(
        sum({0: 0, 1: 0.5, 2: 1}[mark] * weight for mark, weight in judged)
        / sum(weight for _, weight in judged)
    )
    assert found["interference_accuracy(all)"] == unwanted.count(0) / len(unwanted)


PLACE = st.lists(st.floats(-50, 50), min_size=3, max_size=3)


@given(PLACE, st.one_of(PLACE, PLACE.map(str), st.floats(-5, 5)))
def test_navqa_places_are_apart_as_the_crow_flies_and_one_number_stands_for_three(truth, said) -> None:
    mine = ast.literal_eval(said) if isinstance(said, str) else said
    mine = mine if isinstance(mine, list) else [mine] * 3
    question = {"id": 1, "type": "position", "answers": {"position": truth}}
    assert navqa.error(question, {"position": said}, "compat") == pytest.approx(math.dist(truth, mine))
    found = navqa.evaluate([question, question], {"1": {"position": said}}, "compat")
    assert found["running position_error_m"] == pytest.approx(2 * math.dist(truth, mine) / 3)


@given(st.sampled_from(["Yes", "no", "maybe", "NO", " yes"]), st.sampled_from(["yes", "No"]))
def test_navqa_takes_yes_and_no_only(said, truth) -> None:
    question = {"id": 1, "type": "binary", "answers": {"text": ["x", truth]}}
    found = navqa.evaluate([question], {"1": {"binary": said}}, "compat")
    assert found["binary_accuracy"] == float(said.lower() in ("yes", "no") and said.lower() == truth.lower())


@given(st.text(alphabet="AB ab(.)I'", max_size=6), st.sampled_from(["A", "B", "(b)", "none"]))
def test_lmee_chooses_the_first_letter_that_stands_alone(said, truth) -> None:
    def letter(text: str) -> str | None:
        padded = f" {text.upper()} "
        alone = [
            x for before, x, after in zip(padded, padded[1:], padded[2:], strict=False)
            if x.isalpha() and not (before.isalnum() or after.isalnum())
        ]  # fmt: skip
        return alone[0] if alone else None

    item = {"answer_type": "choice", "pred_answer": said, "answer": truth}
    assert lmee.score_answer(item, openeqa.exact_judge, "compat") == float(letter(said) == letter(truth))


LENGTHS = st.one_of(st.floats(0, 30), st.sampled_from([0.0, 1e-7, math.nan, math.inf]))


@given(st.booleans(), LENGTHS, LENGTHS)
def test_lmee_spl_mends_lengths_that_cannot_be(is_success, shortest_m, taken_m) -> None:
    def is_odd(length_m: float) -> bool:
        return math.isnan(length_m) or math.isinf(length_m) or length_m <= 1e-6

    walked = shortest_m if is_odd(taken_m) else taken_m
    shortest = 1.0 if is_odd(shortest_m) else shortest_m
    right = shortest / (walked if walked > shortest else shortest) if is_success else 0.0
    assert lmee.spl(is_success, shortest_m, taken_m, "compat") == pytest.approx(right)


@settings(max_examples=60)
@given(
    st.sampled_from([None, "turn_left", "move_forward", "fly"]), st.sampled_from([None, "0", "1", "7"]),
    st.sampled_from([None, "mug, cup", "b", ""]), st.sampled_from(["Task Progress", "Color"]),
    st.sampled_from(["cup, vase", "B"]), st.booleans(),
)  # fmt: skip
def test_lmee_steps_weigh_action_frontier_answer_and_form(
    action, frontier, answer, category, truth, asked
) -> None:
    lines = {"ACTION": action, "FRONTIER": frontier, "ANSWER": answer}
    reply = "\n".join(f"{name}: {value}" for name, value in lines.items() if value is not None)
    is_said = [value is not None for value in (action, frontier, answer)]
    moves = 0.4 * (action == "turn_left") + 0.4 * (frontier == "0")
    if {"0": "turn_left", "1": "move_forward"}.get(frontier or "", action) != action and is_said[0]:
        moves *= 0.5
    mine, right = ({x.strip() for x in (text or "").split(",") if x.strip()} for text in (answer, truth))
    if category == "Task Progress":
        p, r = len(mine & right) / max(1, len(mine)), len(mine & right) / max(1, len(right))
        worth = 2 * p * r / (p + r) if p + r else 0.0
    else:
        worth = float(answer is not None and answer.upper() == truth.upper())
    form = sum(is_said) / 3
    total = (
        1.2 * (moves + 0.1 * worth + 0.1 * form) if asked else 0.6 * moves + 0.5 * (0.1 * worth + 0.1 * form)
    )
    found = lmee.score_step(
        reply,
        action="turn_left",
        frontier=0,
        category=category,
        answer=truth,
        asked_memory=asked,
        mode="compat",
    )
    assert found["overall"] == pytest.approx(min(1.0, total))


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=5), min_size=1, max_size=5))
def test_success_once_is_success_at_any_step(flags) -> None:
    assert episodes.success_rate(flags, "compat") == len([one for one in flags if True in one]) / len(flags)
