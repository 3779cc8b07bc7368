"""Changes that people are seen to make: the third generator of variants, kept out of all mending.

Written together with the second, and run for the first time when the policy was finished; see
`accounts_crackers`. Nothing of the policy was ever changed because of it.
"""

from random import Random

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MARKS = "!.*#@_-$?+&"
_STYLES = (
    {"a": "@", "s": "$", "o": "0"},
    {"e": "3", "a": "4", "i": "1", "o": "0", "t": "7"},
    {"i": "!", "s": "5", "l": "1"},
    {"b": "8", "g": "9", "z": "2", "s": "$", "e": "3"},
    {"o": "()", "k": "|<"},
    {"e": "€", "a": "å", "o": "ø"},
)


def variant(word: str, chance: Random) -> str:
    """Change a word as somebody does who wants to keep it: one or two of these ways."""
    made = chance.choice((_spelt, _spelt, _spaced, _stressed, _framed, _misspelt))(word, chance)
    return _dated(made, chance) if chance.random() < 0.6 else made  # noqa: PLR2004 - a share


def _spelt(word: str, chance: Random) -> str:
    style = chance.choice(_STYLES)
    shown = chance.choice((word, word.capitalize(), word.upper()))
    return "".join(style.get(mark.lower(), mark) for mark in shown)


def _spaced(word: str, chance: Random) -> str:
    """Put one mark between all letters, or between two parts."""
    mark = chance.choice("-._ ")
    if chance.random() < 0.3:  # noqa: PLR2004 - a share
        return mark.join(word)
    at = chance.randint(2, len(word) - 2)
    return word[:at] + mark + word[at:]


def _stressed(word: str, chance: Random) -> str:
    """Draw out a letter, as in `loooove`."""
    at = chance.randrange(len(word))
    return word[:at] + word[at] * chance.randint(2, 4) + word[at + 1 :]


def _framed(word: str, chance: Random) -> str:
    mark = chance.choice(_MARKS) * chance.randint(1, 3)
    shown = chance.choice((word, word.capitalize()))
    return chance.choice((mark + shown + mark, f"xX{shown}Xx", f"<{shown}>", f"({shown})"))


def _misspelt(word: str, chance: Random) -> str:
    """Leave a letter out, or let two change places."""
    at = chance.randrange(1, len(word) - 1)
    if chance.random() < 0.5:  # noqa: PLR2004 - a share
        return word[:at] + word[at + 1 :]
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def _dated(text: str, chance: Random) -> str:
    day, month, year = chance.randint(1, 28), chance.randint(1, 12), chance.randint(1960, 2026)
    return text + chance.choice(
        (
            f"{day:02}{month:02}",
            f"{year}",
            f"{year % 100:02}",
            f"{day:02}{month:02}{year % 100:02}",
            f"{_MONTHS[month - 1]}{year % 100:02}",
            chance.choice(_MARKS),
            f"{chance.choice(_MARKS)}{chance.randrange(100)}",
            f"{chance.randrange(1000)}",
        )
    )
