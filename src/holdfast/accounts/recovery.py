"""Recovery codes: ten for one account, each good once, kept only as keyed hashes.

Source:
    NIST SP 800-63B-4 3.1.2 (look-up secrets); OWASP ASVS 5.0 6.5.
"""

import hmac
import os
from collections.abc import Callable, Sequence

COUNT = 10
LETTERS = 10
"""50 bits: letters of Crockford's alphabet, five bits each."""
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_GROUP = 5
_LONGEST_TYPED = 64
_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1", "U": "V"})


def fresh(randomness: Callable[[int], bytes] = os.urandom) -> tuple[str, ...]:
    """Make ten codes as they are shown once: `7K2MX-Q4R9T`."""
    codes = []
    for _ in range(COUNT):
        # 256 is a multiple of 32: every letter is equally likely.
        letters = "".join(ALPHABET[byte % len(ALPHABET)] for byte in randomness(LETTERS))
        codes.append(f"{letters[:_GROUP]}-{letters[_GROUP:]}")
    return tuple(codes)


def normalised(typed: str) -> str:
    """Forgive small letters, dashes, blanks and letters that look like others; empty if no code."""
    if len(typed) > _LONGEST_TYPED:
        return ""
    letters = "".join(mark for mark in typed.upper() if mark.isalnum()).translate(_READ_AS)
    fits = len(letters) == LETTERS and all(letter in ALPHABET for letter in letters)
    return letters if fits else ""


def hashed(code: str, key: bytes, *, name: str) -> str:
    """Give what is kept of a code: worthless without the device's key, and for other accounts."""
    text = f"holdfast recovery 1\0{normalised(code)}\0{name}"
    return hmac.digest(key, text.encode(errors="surrogatepass"), "sha256").hex()


def matching(kept: Sequence[str], typed: str, key: bytes, *, name: str) -> int | None:
    """Find which kept code was typed; None for none. Whoever uses it strikes it out first."""
    if not normalised(typed):
        return None
    wanted = hashed(typed, key, name=name)
    found = None
    for index, one in enumerate(kept):
        if hmac.compare_digest(wanted.encode(), one.encode(errors="replace")):
            found = index
    return found
