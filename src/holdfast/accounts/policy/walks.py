"""Rows of neighbouring characters or keys, and texts that repeat themselves."""

from itertools import pairwise

_ROWS = ("`1234567890-=", " qwertyuiop[]", " asdfghjkl;'", " zxcvbnm,./")
_PLACES = {
    key: (column, row)
    for row, keys in enumerate(_ROWS)
    for column, key in enumerate(keys)
    if key != " "
}
_RUN_CHARS = 3
_ANY_STEP = -1
_MOST_TIMES = 4


def is_walk(form: str, *, most_runs: int) -> bool:
    """Tell whether a text is made of a few rows: `123456abcdef`, `1qaz2wsx3edc`, `aaaabbbb`.

    Args:
        form: Folded text.
        most_runs: So many rows at most; on average each has three characters or more.
    """
    left = min(most_runs, len(form) // _RUN_CHARS) - 1
    if left < 0:
        return False
    steps = _ANY_STEP
    for before, after in pairwise(form):
        steps &= _steps(before, after)
        if not steps:
            if not left:
                return False
            left -= 1
            steps = _ANY_STEP
    return True


def period_of(form: str) -> int:
    """Give the length of the shortest beginning that, repeated, makes the whole text.

    The last repetition may be cut off: 8 for `passwordpasswor`. A text that does not repeat itself
    has its own length.
    """
    borders = [0] * len(form)  # of each beginning: how much of its start is also its end
    length = 0
    for at in range(1, len(form)):
        while length and form[at] != form[length]:
            length = borders[length - 1]
        if form[at] == form[length]:
            length += 1
        borders[at] = length
    return len(form) - borders[-1] if form else 0


def undoubled(form: str) -> str:
    """Undo the doubling of each character, `ppaasssswwoorrdd`; the text itself if it is none."""
    for times in range(_MOST_TIMES, 1, -1):
        single = form[::times]
        if len(form) % times == 0 and form == "".join(mark * times for mark in single):
            return single
    return form


def _steps(before: str, after: str) -> int:
    """Give the ways from one character to the next, one bit each; none if they are far apart."""
    found = 0
    distance = ord(after) - ord(before)
    if -1 <= distance <= 1:
        found = 1 << (distance + 1)
    here, there = _PLACES.get(before), _PLACES.get(after)
    if here is not None and there is not None:
        across, down = there[0] - here[0], there[1] - here[1]
        if -1 <= across <= 1 and -1 <= down <= 1 and (across or down):
            found |= 1 << (3 + (across + 1) * 3 + down + 1)
    return found
