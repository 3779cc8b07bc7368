"""Changes that people make to a common word until a form lets it pass.

Written for the measurement alone, from what people are known to do, and not from the rules that it
measures: it shares no table and no code with `holdfast.accounts.policy`.
"""

from random import Random

# Each letter with the marks seen in its place; not all of these are undone by the policy.
_LOOKALIKES = {
    "a": "@4", "b": "8", "c": "(", "e": "3", "g": "9", "h": "#", "i": "1!", "l": "1|", "o": "0",
    "q": "9", "s": "$5", "t": "7+", "x": "%", "z": "2",
}  # fmt: skip
_ENDINGS = (
    "!", "!!", "1", "12", "123", "1234", "12345", "123!", "1!", "01", "007", "69", "99", "@1", "#1",
    "@123", "$", "?", ".", "*", "_1", "-1", "!@#", "00", "11", "77", "321",
)  # fmt: skip
_FRONTS = ("1", "!", "123", "#", "*", "0", "@", "$$", "_", "99")
_YEARS = (1950, 2027)


def variant(word: str, chance: Random) -> str:
    """Change a word as somebody might who is told to use capitals, digits and marks."""
    way = chance.random()
    if way < 0.07:  # noqa: PLR2004 - shares of the ways
        return _ending(_capitals(word[::-1], chance), chance)
    if way < 0.14:  # noqa: PLR2004
        between = chance.choice(("", "", "-", "_", "1", "."))
        return _ending(_capitals(word, chance) + between + _capitals(word, chance), chance)
    if way < 0.18:  # noqa: PLR2004
        return "".join(mark * 2 for mark in _capitals(word, chance))
    if way < 0.26:  # noqa: PLR2004
        return chance.choice(_FRONTS) + _ending(_lookalikes(word, chance, 0.3), chance)
    return _ending(_lookalikes(_capitals(word, chance), chance, 0.4), chance)


def _capitals(word: str, chance: Random) -> str:
    way = chance.randrange(6)
    if way <= 1:
        return word.capitalize()
    if way == 2:  # noqa: PLR2004
        return word.upper()
    if way == 3:  # noqa: PLR2004
        return word[:-1] + word[-1].upper()
    if way == 4:  # noqa: PLR2004
        return "".join(mark.upper() if at % 2 else mark for at, mark in enumerate(word))
    return word


def _lookalikes(word: str, chance: Random, share: float) -> str:
    return "".join(
        chance.choice(_LOOKALIKES[mark.lower()])
        if mark.lower() in _LOOKALIKES and chance.random() < share
        else mark
        for mark in word
    )


def _ending(word: str, chance: Random) -> str:
    way = chance.randrange(10)
    if way <= 4:  # noqa: PLR2004
        return word + chance.choice(_ENDINGS)
    if way <= 6:  # noqa: PLR2004
        return word + str(chance.randrange(*_YEARS)) + chance.choice(("", "", "!", "."))
    if way == 7:  # noqa: PLR2004
        return word + "".join(chance.choices("0123456789", k=chance.randrange(1, 5)))
    return word
