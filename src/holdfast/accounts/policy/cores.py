"""The common words that a password may have been made from, each undone change by change."""

from collections.abc import Callable, Iterator
from itertools import chain

from holdfast.accounts.normal import bare, without_separators
from holdfast.accounts.policy.edits import FEWEST_LETTERS, MOST_LETTERS, neighbours, readings
from holdfast.accounts.policy.walks import is_walk, period_of, undoubled

LEAD_CHARS = 6
TAIL_CHARS = 8
"""What stands in front of a word and behind it is dropped up to these lengths, and beyond them if
it is itself a row, or listed."""
_SHORTEST = 4
_FEWEST_LETTERS = 6
_ORNAMENT_RUNS = 3
_LEAST_SHARE = 3
_LETTER_FOR = {
    "@": "a", "4": "a", "8": "b", "(": "c", "<": "c", "3": "e", "€": "e", "6": "g", "9": "g",
    "#": "h", "|": "l", "0": "o", "$": "s", "5": "s", "+": "t", "7": "t", "%": "x", "2": "z",
}  # fmt: skip
_UNDO = str.maketrans(_LETTER_FOR | {"1": "i", "!": "l"})
_EITHER = "1!"
_MOST_EITHER = 3


def cores(form: str, *, longest: int, listed: Callable[[str], bool]) -> Iterator[str]:
    """Give the words that a password could be a variant of, each once.

    Only the whole password is looked at: a word that merely stands inside gives nothing.

    Args:
        form: Folded password.
        longest: Longer ones are left out, for no list holds them.
        listed: Tells whether a long ornament is itself a known password.
    """
    given = {form}
    texts = [*_readings(form)]
    undone = (_undone(text, whole, longest, listed) for text, whole in texts)
    edited = (_edited(text, whole, listed) for text, whole in texts)
    for core in chain(chain.from_iterable(undone), chain.from_iterable(edited)):
        if _SHORTEST <= len(core) <= longest and core not in given:
            given.add(core)
            yield core


def unleeted(text: str) -> str:
    """Put letters back in the place of the marks that look like them."""
    return text.translate(_UNDO)


def _readings(form: str) -> Iterator[tuple[str, int]]:
    """Give the password itself, and what is left of it without separators and repetition.

    With each comes how long a text it stands for.
    """
    plain = bare(form)
    single = undoubled(plain)
    if not any(map(str.isalpha, plain)):
        # Of digits only what no random number shows: each of them tripled, or three times a few.
        if 3 * len(single) <= len(plain):
            yield single, len(single)
        period = period_of(plain)
        if 3 * period <= len(plain):
            yield plain[:period], period
        return
    yield from _with_repeats(plain, len(plain))
    if single != plain:
        yield from _with_repeats(single, len(single))
    joined = without_separators(plain)
    if joined:
        yield from _with_repeats(joined, len(plain))
    letters = "".join(filter(str.isalpha, plain))
    if len(letters) >= _FEWEST_LETTERS and 2 * len(letters) >= len(plain) and letters != joined:
        yield from _with_repeats(letters, len(plain))


def _with_repeats(text: str, whole: int) -> Iterator[tuple[str, int]]:
    yield text, whole
    lead, tail = _edges(text)
    for part in {text, text[lead : len(text) - tail]}:
        period = period_of(part)
        if 3 * period <= 2 * len(part):
            yield part[:period], period
        elif len(part) % 2 == 0 and part == part[::-1]:
            yield part[: len(part) // 2], len(part) // 2


def _undone(text: str, whole: int, longest: int, listed: Callable[[str], bool]) -> Iterator[str]:
    for part in _parts(text, whole, listed):
        if len(part) > longest:
            continue
        yield part
        yield part[::-1]
        marks = sum(not mark.isalpha() for mark in part)
        # Beyond two thirds, or half of a short one, it is chance that it looks like a word.
        most = 2 * len(part) // 3 if len(part) >= _FEWEST_LETTERS else len(part) // 2
        if not 0 < marks <= most:
            continue
        for undone in _unleeted_each_way(part):
            yield undone
            yield undone[::-1]


def _unleeted_each_way(part: str) -> Iterator[str]:
    """Put letters in the place of marks; 1 and ! stand for either of two, not always the same."""
    found = [at for at, mark in enumerate(part) if mark in _EITHER]
    places: list[tuple[int, ...]] = [(at,) for at in found]
    if len(found) > _MOST_EITHER:
        places = [tuple(at for at in found if part[at] == mark) for mark in _EITHER]
    ways = [part]
    for each in places:
        ways = [_put(way, each, letter) for way in ways for letter in "il"]
    for way in ways:
        yield way.translate(_UNDO)


def _put(text: str, places: tuple[int, ...], letter: str) -> str:
    for at in places:
        text = text[:at] + letter + text[at + 1 :]
    return text


def _parts(text: str, whole: int, listed: Callable[[str], bool]) -> Iterator[str]:
    """Give the text without some or all of what is no letter at its ends."""
    lead, tail = _edges(text)
    if lead == len(text):
        yield text
        return
    plain = tail > TAIL_CHARS and _is_plain_ornament(text[len(text) - tail :], listed)
    ends = [*range(min(tail, TAIL_CHARS) + 1)]
    starts = [0]
    if 0 < lead <= LEAD_CHARS or _is_plain_ornament(text[:lead], listed):
        starts.append(lead)
    for start in starts:
        for end in ends:
            # A short word with a random ornament is not known to anybody.
            if _LEAST_SHARE * (len(text) - start - end) >= whole:
                yield text[start : len(text) - end]
        if plain:
            yield text[start : len(text) - tail]


def _edited(text: str, whole: int, listed: Callable[[str], bool]) -> Iterator[str]:
    """Give what stands between the edges in other spellings, if it may be one word."""
    lead, tail = _edges(text)
    word = text[lead : len(text) - tail]
    if not FEWEST_LETTERS <= len(word) <= MOST_LETTERS:
        return
    if 2 * len(word) < whole and not _is_plain_ornament(text[len(text) - tail :], listed):
        return
    # Where less than three quarters are letters, it is chance that it looks like a word.
    if 4 * len(text) < 3 * whole or 4 * sum(map(str.isalpha, word)) < 3 * len(word):
        return
    if not word.isalpha():
        yield from readings(word, undone=_UNDO)
        word = unleeted(word)
    if word.isalpha():
        yield from neighbours(word)


def _edges(text: str) -> tuple[int, int]:
    """Count what is no letter in front, and behind."""
    lead = next((at for at, mark in enumerate(text) if mark.isalpha()), len(text))
    tail = next((at for at, mark in enumerate(reversed(text)) if mark.isalpha()), len(text))
    return lead, tail


def _is_plain_ornament(text: str, listed: Callable[[str], bool]) -> bool:
    if not text:
        return False
    return (
        is_walk(text, most_runs=_ORNAMENT_RUNS) or 2 * period_of(text) <= len(text) or listed(text)
    )
