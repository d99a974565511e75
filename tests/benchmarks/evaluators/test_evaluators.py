"""Published scorers: what both modes agree on, and each quirk that compat keeps and strict does not."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from embodied_mem.benchmarks.evaluators import (
    episodes,
    evt,
    findingdory,
    halumem,
    lmee,
    memory_maze,
    navqa,
    occ_scannet,
    openeqa,
    ost,
    vstar,
)
from embodied_mem.errors import ConfigError, InvalidMessage

FRAMES = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=4), min_size=1, max_size=3)


class TestFindingDory:
    @given(FRAMES, FRAMES)
    def test_modes_agree_where_something_was_predicted_for_every_goal(self, predicted, truth) -> None:
        strict = findingdory.relaxed_score(predicted, truth)
        assert strict == findingdory.relaxed_score(predicted, truth, "compat")
        assert 0.0 <= strict <= 1.0

    @given(FRAMES)
    def test_the_truth_itself_scores_one_in_any_order(self, truth) -> None:
        text = str([goal[::-1] for goal in truth])
        assert findingdory.evaluate([{"model_output": text, "ground_truth": str(truth)}]) == {
            "exact": 1,
            "relaxed": 1,
        }

    def test_the_score_is_the_product_of_each_goals_precision(self) -> None:
        assert findingdory.relaxed_score([[1, 2], [3]], [[1], [3, 4]]) == 0.5
        assert findingdory.relaxed_score([[1]], [[1], [2]]) == 0.0

    def test_predicting_nothing_scores_one_in_compat_and_zero_in_strict(self) -> None:
        assert findingdory.relaxed_score([[]], [[7]], "compat") == 1.0
        assert findingdory.relaxed_score([[]], [[7]]) == 0.0
        assert findingdory.relaxed_score([[], [1, 2]], [[7], [1]], "compat") == 0.5

    @pytest.mark.parametrize(
        ("text", "compat", "strict"),
        [
            ("[[1, 2], [3]]", [[1, 2], [3]], [[1, 2], [3]]),
            ("The frames are [4, 5].", [[4, 5]], [[4, 5]]),
            ("Answer: [[1, 2], [3]]", [], [[1, 2], [3]]),
            ("[4, 5]", [4, 5], [[4, 5]]),
            ("none", [], []),
            ("5", 5, []),
        ],
    )
    def test_lists_are_read_as_each_mode_reads_them(self, text, compat, strict) -> None:
        assert findingdory.parse_frames(text, "compat") == compat
        assert findingdory.parse_frames(text) == strict

    @pytest.mark.parametrize("output", ["5", "[0, 1]", "{1: 2}", "", "[[]"])
    def test_what_is_no_list_of_lists_scores_zero(self, output) -> None:
        for mode in ("compat", "strict"):
            found = findingdory.evaluate([{"model_output": output, "ground_truth": "[[3], [4]]"}], mode)
            assert found["relaxed"] == 0.0

    def test_exact_compares_texts_in_compat_and_sets_in_strict(self) -> None:
        assert not findingdory.exact_match("[[2, 1]]", "[[1, 2]]", "compat")
        assert findingdory.exact_match("[[2, 1]]", "[[1, 2]]")

    def test_spl_weighs_success_by_the_detour(self) -> None:
        assert findingdory.spl(True, 5.0, 10.0) == 0.5
        assert findingdory.spl(True, 5.0, 4.0) == 1.0
        assert findingdory.spl(True, 0.0, 0.0) == 1.0
        assert findingdory.spl(False, 5.0, 5.0) == 0.0


class TestOst:
    @pytest.mark.parametrize(
        ("predicted", "score"), [(10.0, 1.0), (10.4, 1.0), (10.6, 0.9), (14.0, 0.2), (15.1, 0.0), ("x", 0.0)]
    )
    def test_estimations_score_by_relative_error(self, predicted, score) -> None:
        for mode in ("compat", "strict"):
            assert ost.estimation(predicted, 10.0, mode) == pytest.approx(score)

    def test_an_estimation_whose_truth_is_zero_raises_in_compat(self) -> None:
        with pytest.raises(ZeroDivisionError):
            ost.estimation(0.0, 0.0, "compat")
        assert (ost.estimation(0.0, 0.0), ost.estimation(0.1, 0.0)) == (1.0, 0.0)

    def test_an_empty_judgement_picks_the_first_option_in_compat(self) -> None:
        assert ost.judgement("", "yes", ["yes", "no"], "compat") == 1.0
        assert ost.judgement("", "yes", ["yes", "no"]) == 0.0

    def test_judgements_of_other_words(self) -> None:
        options = ["left", "right", "front left"]
        assert ost.judgement("It is to the front left.", "front left", options) == 1.0
        assert ost.judgement("left or right", "left", options) == 0.0
        assert ost.judgement("the lef", "left", ["right", "left"], "compat") == 1.0
        with pytest.raises(InvalidMessage, match="none of the options"):
            ost.judgement("left", "up", options)

    def test_often_is_ten_in_compat_and_no_number_in_strict(self) -> None:
        assert ost.enumeration("often", 10, "compat") == 1.0
        assert ost.enumeration("often", 10) == 0.0
        assert ost.enumeration("none", 1, "compat") == 1.0

    @pytest.mark.parametrize("predicted", ["three", "3", " 3 ", 3, "Three."])
    def test_counts_in_words_and_digits(self, predicted) -> None:
        for mode in ("compat", "strict"):
            assert ost.enumeration(predicted, "3", mode) == 1.0

    def test_a_decimal_count_is_cut_in_compat(self) -> None:
        assert ost.enumeration(3.7, 3, "compat") == 1.0
        assert ost.enumeration(3.7, 3) == 0.0
        assert ost.enumeration("3.0", 3, "compat") == 0.0
        assert ost.enumeration("3.0", 3) == 1.0

    def test_samples_without_an_answer_are_left_out_in_compat_and_wrong_in_strict(self) -> None:
        samples = [{"type": "A(Counting)", "answer": 1, "pred": "1"}, {"type": "A(Counting)", "answer": 1}]
        assert ost.evaluate(samples, "compat") == {"A(Counting)": 1.0}
        assert ost.evaluate(samples) == {"A(Counting)": 0.5}

    @pytest.mark.parametrize(
        ("response", "answer"),
        [
            ("{'answer': 'yes', 'reason': 'seen'}", "yes"),
            ("answer: yes reason: seen", "yes"),
            ("plain", "plain"),
            (["two"], "two"),
        ],
    )
    def test_answers_are_found_in_responses(self, response, answer) -> None:
        assert ost.answer_in(response) == answer


class TestOpenEqa:
    QUESTIONS = tuple(
        openeqa.Question(question_id=i, question="q", answer="a red rug", category=c, episode="e")
        for i, c in (("1", "x"), ("2", "y"))
    )

    def test_marks_become_0_to_100(self) -> None:
        def judge(question, answer, given, extra):
            return int(given)

        found = openeqa.evaluate(self.QUESTIONS, {"1": "5", "2": "2"}, judge)
        assert found == {"all": 62.5, "x": 100.0, "y": 25.0}
        assert openeqa.evaluate(self.QUESTIONS, {"1": "9", "2": None}, judge, "compat")["all"] == 50.0

    def test_a_question_without_an_answer_is_refused_in_compat_and_wrong_in_strict(self) -> None:
        with pytest.raises(InvalidMessage, match="1 questions have none"):
            openeqa.evaluate(self.QUESTIONS, {"1": "Red rug!"}, openeqa.exact_judge, "compat")
        assert openeqa.evaluate(self.QUESTIONS, {"1": "Red rug!"}, openeqa.exact_judge)["all"] == 50.0

    def test_answers_are_cut_at_the_last_period_wherever_it_stands_in_compat(self) -> None:
        assert openeqa.trimmed("3.5 m", "compat") == "3."
        assert openeqa.trimmed("3.5 m") == "3.5 m"
        for mode in ("compat", "strict"):
            assert openeqa.trimmed("A rug. It is", mode) == "A rug."
            assert openeqa.trimmed("A rug.", mode) == "A rug."

    def test_a_language_models_mark_is_read(self) -> None:
        assert openeqa.parse_mark("4") == openeqa.parse_mark("Well.\nYour mark: 4\nBecause") == 4
        with pytest.raises(InvalidMessage, match="no mark in"):
            openeqa.parse_mark("good")

    @pytest.mark.data
    def test_the_published_questions_are_read(self, data_folder: Path) -> None:
        questions = openeqa.read_questions(data_folder / "openeqa" / "open-eqa-v0.json")
        assert len(questions) == 1636
        right = {one.question_id: one.answer for one in questions}
        assert openeqa.evaluate(questions, right, openeqa.exact_judge)["all"] == 100.0


class TestEvt:
    GOOD = {"success": True, "following_step": 80, "total_step": 100, "collision": 0.0}  # noqa: RUF012
    BAD = {"success": False, "following_step": 10, "total_step": 20, "collision": 1.0}  # noqa: RUF012

    def test_tracking_counts_steps_over_all_episodes_and_early_ends_with_all_their_steps(self) -> None:
        for mode in ("compat", "strict"):
            found = evt.evaluate([self.GOOD, self.BAD], mode=mode)
            assert found == {"success_rate": 0.5, "tracking_rate": 0.75, "collision_rate": 0.5}
            assert evt.evaluate([self.GOOD, self.BAD], [None, 100], mode)["tracking_rate"] == 0.45

    def test_a_success_that_is_no_number_counts_in_compat_and_is_refused_in_strict(self) -> None:
        odd = {**self.BAD, "success": math.nan, "collision": math.nan}
        assert evt.evaluate([odd], mode="compat") == {
            "success_rate": 1,
            "tracking_rate": 0.5,
            "collision_rate": 0,
        }
        with pytest.raises(InvalidMessage, match="success"):
            evt.evaluate([odd])

    def test_no_episode_raises(self) -> None:
        with pytest.raises(ZeroDivisionError):
            evt.evaluate([], mode="compat")
        with pytest.raises(InvalidMessage, match="no episode"):
            evt.evaluate([])


class TestOccScanNet:
    def scored(self, predicted, truth, mode):
        score = occ_scannet.OccupancyScore(mode)
        score.add(np.array(predicted), np.array(truth))
        return score.result()

    def test_a_voxel_predicted_unknown_is_occupied_in_compat(self) -> None:
        assert self.scored([0, 12, 1], [1, 12, 1], "compat")["iou"] == 1.0
        assert self.scored([0, 12, 1], [1, 12, 1], "strict")["iou"] == 0.5

    def test_classes_that_nobody_has_count_as_zero_in_compat(self) -> None:
        assert self.scored([1, 2], [1, 2], "compat")["miou"] == pytest.approx(2 / 11, abs=1e-5)
        assert self.scored([1, 2], [1, 2], "strict")["miou"] == 1.0

    def test_voxels_of_unknown_truth_do_not_count(self) -> None:
        for mode in ("compat", "strict"):
            assert self.scored([1, 5, 12], [1, 0, 12], mode)["iou"] == 1.0

    def test_counts_add_up_over_scenes(self) -> None:
        rng = np.random.default_rng(0)
        predicted, truth = rng.integers(0, 13, (2, 4, 50))
        for mode in ("compat", "strict"):
            whole, parts = occ_scannet.OccupancyScore(mode), occ_scannet.OccupancyScore(mode)
            whole.add(predicted, truth)
            for mine, right in zip(predicted, truth, strict=True):
                parts.add(mine, right)
            assert whole.result() == parts.result()

    def test_labels_that_cannot_be_are_refused(self) -> None:
        with pytest.raises(InvalidMessage, match="0 to 12"):
            self.scored([13], [1], "strict")
        with pytest.raises(InvalidMessage, match="alike"):
            self.scored([1, 1], [1], "strict")


class TestVStar:
    ITEM = {  # noqa: RUF012
        "timestamps": [2.0, 6.0], "answer_vqa": "a dog", "answer_temporal": "[4, 8]", "answer_temporal_2": [2, 5],
        "bboxes": [{"timestamp": 3, "xmin": 0, "ymin": 0, "xmax": 2, "ymax": 2}],
        "answer_spatial": {"3": [[1, 0, 3, 2], [0, 0, 2, 2]]}, "answer_spatial_2": {"4": [0, 0, 2, 2]},
    }  # fmt: skip

    def test_when_and_where_are_overlaps_and_several_boxes_help_only_in_compat(self) -> None:
        strict, compat = vstar.score_item(self.ITEM, 3), vstar.score_item(self.ITEM, 3, "compat")
        assert strict.temporal == compat.temporal == (pytest.approx(1 / 3), 0.75)
        assert strict.spatial == (pytest.approx(1 / 3), 0.0)
        assert compat.spatial == (1.0, 0.0)

    @pytest.mark.parametrize("span", ["nonsense", None, [1], ["a", "b"], [7, 9]])
    def test_what_is_no_span_or_lies_apart_scores_zero(self, span) -> None:
        assert vstar.temporal_iou([2.0, 6.0], span) == 0.0

    def test_an_item_without_an_answer_is_left_out_of_the_means_in_compat(self) -> None:
        silent = vstar.score_item({**self.ITEM, "answer_vqa": ""}, None)
        answered = [vstar.score_item(self.ITEM, 2), vstar.score_item(self.ITEM, 1)]
        with_silent = vstar.evaluate([*answered, silent, silent], "compat")
        assert vstar.evaluate(answered, "compat")["temporal_iou"] == with_silent["temporal_iou"]
        assert with_silent["accuracy"] == 0.25
        nothing = vstar.score_item({"timestamps": [2.0, 6.0], "bboxes": self.ITEM["bboxes"]}, None)
        assert vstar.evaluate([*answered, nothing, nothing])["temporal_iou"] == pytest.approx(
            (1 / 3 + 0.75) / 4
        )

    def test_a_perfect_score_has_a_logarithm_in_strict_only(self) -> None:
        perfect = vstar.ItemScore(is_right=True, is_answered=True, temporal=(1.0, 1.0), spatial=(1.0, 1.0))
        assert vstar.evaluate([perfect])["mLGM"] == pytest.approx(13.8155, abs=1e-3)
        with pytest.raises(ValueError, match=r"domain|logarithm|positive"):
            vstar.evaluate([perfect], "compat")

    def test_the_mean_of_logarithms_is_the_papers(self) -> None:
        half = vstar.ItemScore(is_right=False, is_answered=True, temporal=(0.5, 0.5), spatial=(0.5, 0.5))
        found = vstar.evaluate([half])
        assert found["mLGM"] == pytest.approx(2 * math.log(2) / 3)
        assert found["mAM"] == pytest.approx(1 / 3)


class TestHaluMem:
    RECORDS = {  # noqa: RUF012
        "memory_integrity_records": [
            {"memory_source": "dialogue", "importance": 1.0, "memory_integrity_score": 2},
            {"memory_source": "dialogue", "importance": 0.5, "memory_integrity_score": 1},
            {"memory_source": "dialogue", "importance": 0.5, "memory_integrity_score": None},
            {"memory_source": "interference", "importance": 0.5, "memory_integrity_score": 0},
        ],
        "memory_accuracy_records": [
            {"memory_accuracy_score": 2, "is_included_in_golden_memories": "true"},
            {"memory_accuracy_score": 1, "is_included_in_golden_memories": "false"},
        ],
        "memory_update_records": [{"memory_update_type": "Correct"}, {"memory_update_type": None}],
        "question_answering_records": [{"result_type": "Hallucination"}, {"result_type": "Correct"}],
    }  # fmt: skip

    def test_every_figure(self) -> None:
        for mode in ("compat", "strict"):
            found = halumem.evaluate(self.RECORDS, mode)
            assert found["recall(all)"] == pytest.approx(1 / 3)
            assert found["recall(valid)"] == 0.5
            assert found["weighted_recall(all)"] == pytest.approx(1.25 / 2)
            assert found["interference_accuracy(all)"] == 1.0
            assert (found["target_accuracy(all)"], found["weighted_accuracy(all)"]) == (1.0, 0.75)
            assert (found["correct_update_ratio(all)"], found["correct_update_ratio(valid)"]) == (0.5, 1.0)
            assert found["hallucination_qa_ratio(all)"] == 0.5

    def test_an_empty_group_raises_in_compat_and_is_left_out_in_strict(self) -> None:
        part = {**self.RECORDS, "memory_update_records": []}
        with pytest.raises(ZeroDivisionError):
            halumem.evaluate(part, "compat")
        assert "correct_update_ratio(all)" not in halumem.evaluate(part)


class TestNaVQA:
    QUESTIONS = [  # noqa: RUF012
        {"id": "a", "type": "position", "answers": {"position": [3.0, 4.0, 0.0]}},
        {"id": "b", "type": "binary", "answers": {"text": ["yes", "yes"]}},
        {"id": "c", "type": "time", "answers": {"time": 5.0}},
        {"id": "d", "type": "duration", "answers": {"duration": 2.0}},
        {"id": "e", "type": "text", "answers": {"text": ["a bench"]}},
    ]

    def test_errors_are_means_by_type_and_what_was_not_answered_is_wrong(self) -> None:
        answers = {"a": {"position": "[0, 0, 0]"}, "b": {"binary": "Yes."}, "c": {"time": 9}, "d": {}}
        found = navqa.evaluate(self.QUESTIONS, answers)
        assert found == {
            "position_error_m": 5.0,
            "binary_accuracy": 1.0,
            "time_error_min": 4.0,
            "correct": 0.5,
        }
        assert navqa.evaluate(self.QUESTIONS, answers, near_m=4.0)["correct"] == 0.25

    @pytest.mark.parametrize("said", [4.0, [1.0, 2.0], "nowhere", None, [1, 2, float("nan")]])
    def test_what_is_no_place_is_no_answer_in_strict(self, said) -> None:
        assert navqa.error(self.QUESTIONS[0], {"position": said}) is None

    def test_types_are_names_in_strict_and_parts_of_names_in_compat(self) -> None:
        odd = {"type": "position (2d)", "answers": {"position": [0, 0]}}
        assert navqa.kind_of(odd, "compat") == "position"
        with pytest.raises(InvalidMessage, match="NaVQA has"):
            navqa.kind_of(odd)
        with pytest.raises(InvalidMessage, match="no question"):
            navqa.evaluate([], {})


class TestLmee:
    @pytest.mark.parametrize(
        ("said", "strict", "compat"),
        [
            ("B", "B", "B"), ("(b)", "B", "B"), ("B. the mug", "B", "B"), ("I think B", "B", "I"), ("A mug", None, "A"),
            ("C or D", None, "C"), ("the mug", None, None), (None, None, None),
        ],
    )  # fmt: skip
    def test_choices_are_letters(self, said, strict, compat) -> None:
        assert (lmee.choice_of(said), lmee.choice_of(said, "compat")) == (strict, compat)

    def test_answers_without_a_letter_agree_in_compat_only(self) -> None:
        item = {
            "answer_type": "choice", "pred_answer": "dunno", "answer": "none", "category": "Color",
            "image_path": "x/easy/1.png",
        }  # fmt: skip
        for mode, right in (("compat", 100.0), ("strict", 0.0)):
            found = lmee.evaluate_answers([item], openeqa.exact_judge, mode)
            assert found == {"all/accuracy": right, "Color/accuracy": right, "easy/accuracy": right}

    def test_open_answers_are_marked_by_the_judge(self) -> None:
        item = {
            "answer_type": "open",
            "question": "?",
            "open_answer": "a mug",
            "category": "c",
            "difficulty": "hard",
        }
        assert lmee.score_answer({**item, "pred_answer": "Mug"}, openeqa.exact_judge) == 100.0
        assert lmee.score_answer({**item, "pred_answer": "cup"}, openeqa.exact_judge) == 0.0
        assert lmee.score_answer(item, openeqa.exact_judge) == 0.0

    def test_a_path_that_cannot_be_is_mended_in_compat_and_refused_in_strict(self) -> None:
        goals = [
            {"success": True, "shortest_m": 5.0, "taken_m": 0.0, "difficulty": "easy"},
            {"success": True, "shortest_m": 5.0, "taken_m": 10.0, "difficulty": "hard"},
        ]
        found = lmee.evaluate_goals(goals, "compat")
        assert (found["all/success"], found["easy/spl"], found["hard/spl"]) == (100.0, 100.0, 50.0)
        with pytest.raises(InvalidMessage, match="finite"):
            lmee.spl(True, math.nan, 1.0)

    def test_a_step_is_worth_the_same_in_strict_whether_memory_was_asked_or_not(self) -> None:
        truth = {"action": "turn_left", "frontier": 0, "category": "Color", "answer": "red"}
        reply = "ACTION: turn_left\nFRONTIER: 0\nANSWER: Red"
        scores = [lmee.score_step(reply, **truth, asked_memory=asked) for asked in (True, False)]
        assert [one["overall"] for one in scores] == pytest.approx([1.0, 1.0])
        assert [one["asked_memory"] for one in scores] == [1.0, 0.0]
        assert lmee.score_step(reply, **truth, asked_memory=False, mode="compat")["overall"] == pytest.approx(
            0.58
        )


class TestMemoryMaze:
    def test_the_published_figure_is_the_mean_square_and_strict_asks_only_for_what_was_seen(self) -> None:
        truth = np.zeros((3, 2, 2))
        predicted = truth.copy()
        predicted[0, 1], predicted[2, 0] = (3.0, 4.0), (0.3, 0.4)
        assert memory_maze.evaluate(predicted, truth, "compat") == {"mse": pytest.approx(25.25 / 12)}
        seen = np.ones((3, 2), dtype=bool)
        seen[0, 1] = False
        found = memory_maze.evaluate(predicted, truth, was_seen=seen)
        assert found == {"error_cells": pytest.approx(0.1), "right": 1.0}
        assert memory_maze.evaluate(predicted, truth, from_step=1)["error_cells"] == pytest.approx(0.125)

    def test_what_cannot_be_scored_is_refused(self, tmp_path: Path) -> None:
        vectors = np.zeros((3, 2, 2))
        with pytest.raises(InvalidMessage, match="alike"):
            memory_maze.evaluate(vectors, vectors[:2])
        with pytest.raises(InvalidMessage, match="nothing to score"):
            memory_maze.evaluate(vectors, vectors, from_step=3)
        np.savez(tmp_path / "walk.npz", image=np.zeros(3))
        with pytest.raises(InvalidMessage, match="no targets_vec"):
            memory_maze.read_objects(tmp_path / "walk.npz")


def test_success_once_is_the_published_rule_and_success_at_the_end_the_strict_one() -> None:
    flags = [[False, True, False], [False, False, True]]
    assert episodes.success_rate(flags, "compat") == 1.0
    assert episodes.success_rate(flags) == 0.5
    with pytest.raises(InvalidMessage):
        episodes.episode_success([])


class TestCommand:
    def scored(self, tmp_path: Path, *words: str):
        from embodied_mem.cli.main import cli

        done = CliRunner().invoke(cli, ["bench", "score", *words, "--out", str(tmp_path), "--json"])
        if done.exit_code:
            raise done.exception or AssertionError(done.output)
        return {
            row["metric"]: row["value"] for row in json.loads((tmp_path / "score.json").read_text())["rows"]
        }

    def test_a_file_of_predictions_is_scored_in_the_mode_that_was_asked_for(self, tmp_path: Path) -> None:
        path = tmp_path / "dory.json"
        path.write_text(
            json.dumps({"individual_results": [{"model_output": "[[]]", "ground_truth": "[[1]]"}]})
        )
        words = ("benchmark=findingdory", f"predictions={path}")
        assert self.scored(tmp_path, *words)["score.findingdory.strict/relaxed"] == 0.0
        assert self.scored(tmp_path, *words, "mode=compat")["score.findingdory.compat/relaxed"] == 1.0

    def test_folders_and_other_files(self, tmp_path: Path) -> None:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "1.json").write_text(json.dumps(TestEvt.GOOD))
        (tmp_path / "run" / "1_info.json").write_text("{}")
        assert self.scored(tmp_path, "benchmark=evt", f"predictions={tmp_path / 'run'}")[
            "score.evt.strict/tracking_rate"
        ] == pytest.approx(0.8)
        path = tmp_path / "ost.json"
        sample = {"type": "A(Counting)", "answer": 3, "response": "{'answer': 'three', 'reason': 'x'}"}
        path.write_text(json.dumps({"user_message": [sample]}))
        assert self.scored(tmp_path, "benchmark=ost", f"predictions={path}") == {
            "score.ost.strict/A(Counting)": 1.0
        }

    def test_walks_drives_and_explorations(self, tmp_path: Path) -> None:
        for name, vectors in (("mine", np.ones((2, 1, 2))), ("true", np.zeros((2, 1, 2)))):
            np.savez(tmp_path / f"{name}.npz", targets_vec=vectors)
        files = (f"predictions={tmp_path / 'mine.npz'}", f"truth={tmp_path / 'true.npz'}")
        assert self.scored(tmp_path, "benchmark=memory_maze", *files, "mode=compat") == {
            "score.memory_maze.compat/mse": 1.0
        }
        (tmp_path / "drive.json").write_text(json.dumps({"data": TestNaVQA.QUESTIONS}))
        answers = {"responses": [{"id": "b", "response": {"binary": "yes"}}, {}]}
        (tmp_path / "said.json").write_text(json.dumps(answers))
        files = (f"predictions={tmp_path / 'said.json'}", f"truth={tmp_path / 'drive.json'}")
        assert self.scored(tmp_path, "benchmark=navqa", *files)["score.navqa.strict/correct"] == 0.25
        item = {
            "answer_type": "choice",
            "pred_answer": "B",
            "answer": "B",
            "category": "Color",
            "difficulty": "easy",
        }
        (tmp_path / "explored.json").write_text(json.dumps([item]))
        found = self.scored(tmp_path, "benchmark=lmee", f"predictions={tmp_path / 'explored.json'}")
        assert found["score.lmee.strict/all/accuracy"] == 100.0

    @pytest.mark.parametrize(
        ("words", "error"),
        [
            (("benchmark=memory_maze", "predictions=no.npz"), "is no file"),
            (("benchmark=osd",), "Did you mean 'ost'"),
            (("benchmark=ost", "predictions=nowhere.json"), "is no file"),
            (("benchmark=ost", "mode=lax"), "mode is 'lax'"),
            (("bench=ost",), "does not take"),
        ],
    )
    def test_words_that_cannot_be_are_refused(self, tmp_path: Path, words, error: str) -> None:
        with pytest.raises(ConfigError, match=error):
            self.scored(tmp_path, *words)
