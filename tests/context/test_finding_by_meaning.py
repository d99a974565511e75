"""With an encoder of sentences, words that name no label find what they mean; without one, what they say."""

from __future__ import annotations

from collections import Counter
from string import ascii_lowercase

import numpy as np
import pytest

from embodied_mem.errors import InvalidQuery
from embodied_mem.messages import Operation
from tests.context.two_rooms import Home

TOPICS = (("mug", "cup", "drink", "coffee", "thirsty"), ("bed", "sleep", "tired"), ("fridge", "cold", "food"))


class Encoder:
    """A vector of topics (and of the first letter), and how often it was asked for each text."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    def __call__(self, text: str) -> np.ndarray:
        self.asked[text] += 1
        hits = [sum(word in topic for word in text.split()) for topic in TOPICS]
        return np.array([*hits, *(0.01 * (text[0] == letter) for letter in ascii_lowercase)])


class Model:
    """An encoder as libraries have it: a method of a model."""

    def __init__(self) -> None:
        self.encoder = Encoder()

    def encode(self, text: str) -> np.ndarray:
        return self.encoder(text)


def furnished() -> Home:
    home = Home()
    home.furnish()
    return home


def labels(home: Home, text: str, encoder: Encoder | None) -> set[str]:
    return {one.label for one in home.recall.find(text, encoder=encoder, order="score").value or ()}


def test_what_words_mean_is_found_with_an_encoder_and_only_with_one() -> None:
    home, encoder = furnished(), Encoder()
    assert labels(home, "i am thirsty", None) == set()
    assert labels(home, "i am thirsty", encoder) == {"mug"}
    assert labels(home, "somewhere to sleep", encoder) == {"bed"}
    assert labels(home, "quantum physics", encoder) == set()


def test_what_was_stated_is_compared_too_and_each_text_is_encoded_once() -> None:
    home, encoder = furnished(), Encoder()
    (counter,) = home.recall.find("counter").value or ()
    assert labels(home, "cold snacks", encoder) == {"fridge"}
    home.world.write(
        Operation(
            kind="ADD", source="anna", subject=counter.entity_id, predicate="note", value="food is here"
        )
    )
    assert labels(home, "cold snacks", encoder) == {"fridge", "counter"}
    assert max(encoder.asked.values()) == 1


def test_a_method_of_a_model_encodes_each_text_once_and_a_text_that_is_no_more_is_dropped() -> None:
    home, model = furnished(), Model()
    (counter,) = home.recall.find("counter").value or ()

    def note(kind: str, value: str) -> None:
        home.world.write(
            Operation(kind=kind, source="anna", subject=counter.entity_id, predicate="note", value=value)  # type: ignore[arg-type]
        )

    def found() -> set[str]:
        return {one.label for one in home.recall.find("cold snacks", encoder=model.encode).value or ()}

    note("ADD", "food is here")
    assert found() == found() == {"fridge", "counter"}
    assert max(model.encoder.asked.values()) == 1
    note("UPDATE", "sleep is here")
    assert found() == {"fridge"}
    note("UPDATE", "food is here")
    assert found() == {"fridge", "counter"}
    again = {text for text, times in model.encoder.asked.items() if times > 1}
    assert len(again) == 1
    assert "food is here" in again.pop()


def test_a_name_of_things_still_means_them_and_a_broken_encoder_is_named() -> None:
    home = furnished()
    assert labels(home, "bed", Encoder()) == {"bed"}
    with pytest.raises(InvalidQuery, match="zero vector or NaN"):
        home.recall.find("something warm", encoder=lambda text: np.zeros(3))
