"""One small change to a word, undone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.accounts.blocklist.reader import Lists
from holdfast.accounts.policy import Context, PasswordRefusedError, must_be_usable
from holdfast.accounts.policy.cores import cores
from holdfast.accounts.policy.edits import MOST_LETTERS, neighbours

LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = st.text(alphabet=LETTERS, min_size=6, max_size=MOST_LETTERS - 1)


def known(form: str) -> set[str]:
    return set(cores(form, longest=40, listed=lambda _: False))


@given(WORDS, st.integers(0, 12), st.sampled_from(LETTERS))
def test_a_letter_too_many_anywhere(word: str, at: int, letter: str) -> None:
    assert word in set(neighbours(word[:at] + letter + word[at:]))


@given(WORDS, st.integers(0, 11))
def test_two_letters_that_changed_places(word: str, at: int) -> None:
    swapped = word[:at] + word[at + 1 : at + 2] + word[at : at + 1] + word[at + 2 :]
    assert word in {*neighbours(swapped), swapped}


@given(WORDS)
def test_a_word_that_was_turned(word: str) -> None:
    longer = f"{word}x"
    for typed in (longer[1:] + longer[0], longer[-1] + longer[:-1]):
        assert longer in set(neighbours(typed))


@given(st.text(alphabet=LETTERS, min_size=6, max_size=MOST_LETTERS))
def test_edits_are_few(word: str) -> None:
    assert len(list(neighbours(word))) < 50


@pytest.mark.parametrize(
    ("form", "core"),
    [
        ("ssunshine12345678", "sunshine"),
        ("snushine99", "sunshine"),
        ("sunnnnshine!", "sunshine"),
        ("unshines1", "sunshine"),
        ("sunsh*ne77", "sunshine"),
        ("s^nshine77", "sunshine"),
        ("v1llanueva1", "villanueva"),
        ("m1l1er!1", "milier"),
        ("mi11i0n99", "million"),
        ("sunshineenihsnus", "sunshine"),
    ],
)
def test_undone(form: str, core: str) -> None:
    assert core in known(form)


@pytest.mark.parametrize(
    ("form", "word"),
    [
        ("mysunshine99", "sunshine"),  # two words, of which one is short
        ("dragon123monkey4", "monkey"),
        ("sunshinf83027461", "sunshine"),  # nobody knows eight digits by chance
        ("s*n$h?ne77", "sunshine"),
        ("drgon1", "dragon"),  # five letters have too many neighbours
    ],
)
def test_more_than_one_small_change_is_another_word(form: str, word: str) -> None:
    assert word not in known(form)


@pytest.mark.parametrize("password", ["sunnnnshine1234", "sunsihne12345678", "sunshinee1234567"])
def test_a_small_change_to_a_common_word_is_refused(password: str, lists: Lists) -> None:
    with pytest.raises(PasswordRefusedError) as caught:
        must_be_usable(password, Context(), lists)
    assert caught.value.reason == "variant"
