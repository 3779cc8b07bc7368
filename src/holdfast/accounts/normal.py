"""The forms in which a password is hashed, counted and compared."""

import unicodedata

_INVISIBLE = frozenset({"Cf", "Mn", "Me"})
_SEPARATORS = str.maketrans("", "", " -_.,;:/\\'\"*#")
_FEWEST_JOINED = 6


def normalised(text: str) -> str:
    """Give the one form of a text that is the same from every keyboard: NFKC, nothing else.

    This is what is counted and hashed. It is never trimmed, never folded, never cut.

    Source:
        NIST SP 800-63B-4 3.1.1.2.
    """
    return unicodedata.normalize("NFKC", text)


def folded(text: str) -> str:
    """Give the form in which texts are compared with lists: NFKC without regard to case."""
    if text.isascii():
        return text.lower()
    form = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", form)


def bare(form: str) -> str:
    """Take accents and invisible characters from a folded form: `pässwörd` is `password` too."""
    if form.isascii():
        return form
    parts = unicodedata.normalize("NFKD", form)
    return "".join(mark for mark in parts if unicodedata.category(mark) not in _INVISIBLE)


def without_separators(form: str) -> str:
    """Take blanks, hyphens, dots, underscores and the like from a folded form.

    Returns:
        What is left; empty where nothing was taken, or too much to call it the same.
    """
    joined = form.translate(_SEPARATORS)
    same = joined != form and len(joined) >= _FEWEST_JOINED and 2 * len(joined) >= len(form)
    return joined if same else ""
