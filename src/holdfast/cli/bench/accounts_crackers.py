"""Changes that programs which crack passwords try first: the second generator of variants.

Written from memory of the rule files that come with such programs (best64 and its like), after the
policy and without a look at what it does with them; it shares no table with the policy or with the
first generator, and is not changed to suit either. What it found at first is told in
`docs/explanation/passwords-that-hold.md`.
"""

from collections.abc import Callable
from random import Random
from typing import Final

_TABLES = (
    str.maketrans("aeios", "43105"),
    str.maketrans("aeiost", "@3!0$7"),
    str.maketrans("aeilost", "4311057"),
    str.maketrans("abegilostz", "4836110572"),
    str.maketrans("aios", "@|0z"),
    str.maketrans("cdeoqux", "(03*9v*"),
    str.maketrans("al", "^/"),
)
_TAILS = ("!", "!!", "1", "2", "12", "123", "1234", "4321", "00", "69", "99", "007", "!1", "@", "?")
_FRONTS = ("1", "12", "123", "0", "!", "the", "my", "mr", "i", "x")


def _capitalised(word: str, chance: Random) -> str:
    return word.capitalize() + chance.choice(_TAILS)


def _lookalikes(word: str, chance: Random) -> str:
    made = word.translate(chance.choice(_TABLES))
    return made + chance.choice(("", "", chance.choice(_TAILS)))


def _appended(word: str, chance: Random) -> str:
    way = chance.randrange(4)
    if way == 0:
        return word + str(chance.randint(1940, 2026))
    if way == 1:
        return word + f"{chance.randrange(100):02}" + chance.choice(("", "!"))
    if way == 2:  # noqa: PLR2004 - one of four ways
        return word + "".join(chance.choices("0123456789", k=chance.randint(3, 6)))
    return word.capitalize() + str(chance.randint(1980, 2026)) + chance.choice("!@#$%&*.?")


def _prepended(word: str, chance: Random) -> str:
    return chance.choice(_FRONTS) + word + chance.choice(("", chance.choice(_TAILS)))


def _reversed(word: str, chance: Random) -> str:
    return word[::-1] + chance.choice(("", chance.choice(_TAILS)))


def _duplicated(word: str, chance: Random) -> str:
    way = chance.randrange(4)
    if way == 0:
        return word * 2
    if way == 1:
        return word + word[::-1]
    if way == 2:  # noqa: PLR2004 - one of four ways
        return word + word[-1] * chance.randint(1, 3)
    return word[0] + word + chance.choice(_TAILS)


def _toggled(word: str, chance: Random) -> str:
    made = "".join(mark.swapcase() if chance.random() < 0.5 else mark for mark in word)  # noqa: PLR2004
    return made + chance.choice(("", chance.choice(_TAILS)))


def _swapped(word: str, chance: Random) -> str:
    way = chance.randrange(4)
    if way == 0:
        made = word[1] + word[0] + word[2:]
    elif way == 1:
        made = word[:-2] + word[-1] + word[-2]
    elif way == 2:  # noqa: PLR2004 - one of four ways
        made = word[1:] + word[0]
    else:
        made = word[-1] + word[:-1]
    return made + chance.choice(("", chance.choice(_TAILS)))


def _truncated(word: str, chance: Random) -> str:
    way = chance.randrange(3)
    cut = word[:-1] if way == 0 else word[1:] if way == 1 else word[:-2]
    return cut + chance.choice((*_TAILS, str(chance.randint(1980, 2026))))


RULES: Final[dict[str, Callable[[str, Random], str]]] = {
    "capitalised": _capitalised,
    "lookalikes": _lookalikes,
    "appended": _appended,
    "prepended": _prepended,
    "reversed": _reversed,
    "duplicated": _duplicated,
    "toggled": _toggled,
    "swapped": _swapped,
    "truncated": _truncated,
}
"""All of them equally often."""


def variant(word: str, chance: Random) -> str:
    """Change a word of small letters by one of the rules."""
    return RULES[chance.choice([*RULES])](word, chance)
