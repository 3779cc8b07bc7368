"""Makes passphrases of words: easy to read, to type and to remember."""

import os
from math import log2
from pathlib import Path
from typing import Final

WORDS: Final = Path(__file__).with_name("words.txt")
FEWEST_WORDS: Final = 4
MOST_WORDS: Final = 20
SEPARATOR: Final = "-"


def suggest(words: int = FEWEST_WORDS) -> str:
    """Make a passphrase of words chosen by chance, such as `amber-lucky-ocean-tiger`.

    Args:
        words: How many, 4 to 20. Four have 48 bits: at a hundred guesses a day an even chance
            takes longer than three thousand million years.
    """
    if not FEWEST_WORDS <= words <= MOST_WORDS:
        raise ValueError(f"a passphrase has {FEWEST_WORDS} to {MOST_WORDS} words")
    known = _known()
    return SEPARATOR.join(known[_below(len(known))] for _ in range(words))


def entropy_bits(words: int = FEWEST_WORDS) -> float:
    """Tell how many bits a suggestion of so many words has."""
    return words * log2(len(_known()))


def _below(bound: int) -> int:
    # As `secrets.randbelow` does it, which would load libcrypto into a resident process: 4 MB.
    bits = (bound - 1).bit_length()
    while (number := int.from_bytes(os.urandom(4), "big") >> (32 - bits)) >= bound:
        pass
    return number


def _known() -> list[str]:
    # Not kept: it is read once for a suggestion, and a resident process stays small.
    return WORDS.read_text(encoding="ascii").split()
