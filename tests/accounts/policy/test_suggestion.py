"""Passphrases that are offered."""

import re
from collections import Counter
from itertools import pairwise

import pytest

from holdfast.accounts.policy import (
    Context,
    Lists,
    entropy_bits,
    must_be_usable,
    suggest,
    suggest_for,
)
from holdfast.accounts.policy.suggestion import WORDS


def test_each_suggestion_fulfils_the_rules(lists: Lists) -> None:
    for _ in range(500):
        made = suggest()
        assert must_be_usable(made, Context(), lists) == made


def test_four_words_have_48_bits() -> None:
    assert entropy_bits() == 48
    assert entropy_bits(6) == 72
    assert len(suggest(7).split("-")) == 7


def test_they_differ_and_use_the_whole_list() -> None:
    made = [suggest() for _ in range(500)]
    assert len(set(made)) == 500
    first = Counter(word[0] for one in made for word in one.split("-"))
    assert len(first) > 20


@pytest.mark.parametrize("words", [-1, 0, 3, 21])
def test_too_few_or_too_many(words: int) -> None:
    with pytest.raises(ValueError, match="4 to 20"):
        suggest(words)


def test_somebody_called_like_every_word_still_gets_one(lists: Lists) -> None:
    words = WORDS.read_text().split()
    named = Context(user=" ".join(words[:30]), others=tuple(words[30:90]))
    assert suggest_for(named, lists)


def test_the_words_are_short_plain_and_told_apart_by_four_letters() -> None:
    words = WORDS.read_text(encoding="ascii").splitlines()
    assert len(words) == 4096
    assert words == sorted(words)
    assert all(re.fullmatch("[a-z]{3,8}", word) for word in words)
    assert len({word[:4] for word in words}) == 4096
    assert not any(after.startswith(before) for before, after in pairwise(words))
