"""One small change to a word, undone: what programs that guess passwords try on every word.

No table of what people do: every change of one kind is undone, whichever letter it is about.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import Final

FEWEST_LETTERS: Final = 6
"""Shorter words have so many neighbours that chance makes some of them."""
MOST_LETTERS: Final = 14
"""Longer ones are no single word, and no list knows many."""
_MOST_MARKS: Final = 1
"""Each kind of mark takes a look-up for every letter; a check has to end within 0.2 ms."""
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"


def neighbours(word: str) -> Iterator[str]:
    """Give the words of which this is another spelling; some of them more than once.

    Args:
        word: Folded letters, `FEWEST_LETTERS` to `MOST_LETTERS` of them.
    """
    for at in range(len(word)):
        yield word[:at] + word[at + 1 :]  # one too many
        yield word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :]  # two changed places
    yield word[1:] + word[0]
    yield word[-1] + word[:-1]
    yield from _drawn_in(word)


def readings(word: str, *, undone: dict[int, str]) -> Iterator[str]:
    """Give the words in which a mark stands for a letter that it does not look like.

    Wherever it stands it is the same letter, and all other marks are those that they look like.

    Args:
        word: Letters and marks.
        undone: Letters that marks usually stand for, as for `str.translate`.
    """
    marks = sorted({mark for mark in word if not mark.isalpha()})
    if len(marks) <= _MOST_MARKS:
        for mark in marks:
            for letter in _LETTERS:
                yield word.replace(mark, letter).translate(undone)


def _drawn_in(word: str) -> Iterator[str]:
    runs = ["".join(run) for _, run in groupby(word)]
    for at, run in enumerate(runs):
        for length in range(1, len(run) - 1):
            yield "".join((*runs[:at], run[:length], *runs[at + 1 :]))
