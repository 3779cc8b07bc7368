"""Codes of six digits from an app: a second factor that needs no network.

Source:
    RFC 6238 (SHA-1, 30 seconds, 6 digits: what every app knows), RFC 4226 5.3.
"""

import base64
import hmac
import os
import re
from collections.abc import Callable
from datetime import datetime
from urllib.parse import quote, urlencode

STEP_S = 30
DIGITS = 6
SEED_BYTES = 20
_EARLIER_AND_LATER = 1
_CODE = re.compile(r"[0-9]{6}", re.ASCII)
_LONGEST_TYPED = 32


def fresh_seed(randomness: Callable[[int], bytes] = os.urandom) -> bytes:
    """Make a seed of 160 random bits."""
    return randomness(SEED_BYTES)


def step_at(now: datetime) -> int:
    """Count the steps of 30 seconds since 1970."""
    return int(now.timestamp()) // STEP_S


def code_at(seed: bytes, step: int, *, digits: int = DIGITS) -> str:
    """Compute the code of one step."""
    digest = hmac.new(seed, step.to_bytes(8, "big"), "sha1").digest()
    at = digest[-1] & 0x0F
    number = int.from_bytes(digest[at : at + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**digits).zfill(digits)


def matching_step(seed: bytes, typed: str, *, now: datetime, last_step: int) -> int | None:
    """Find the step whose code was typed; None if it is wrong, too old, or was used already.

    Args:
        seed: The account's.
        typed: As typed; blanks in it do not matter.
        now: The present moment; a clock that runs half a minute wrong is borne.
        last_step: Step of the last code that was used. It and all before it are refused, also when
            the clock was turned back: a code that somebody watched is worth nothing.
    """
    code = "".join(typed.split()) if len(typed) <= _LONGEST_TYPED else ""
    if not _CODE.fullmatch(code):
        return None
    present = step_at(now)
    found = None
    for step in range(present - _EARLIER_AND_LATER, present + _EARLIER_AND_LATER + 1):
        # All of them, so that the time it takes says nothing.
        right = step >= 0 and hmac.compare_digest(code_at(seed, step), code)
        if right and step > last_step and found is None:
            found = step
    return found


def address(seed: bytes, *, name: str, issuer: str) -> str:
    """Write the otpauth:// address that an app reads from a QR code.

    Args:
        seed: The account's.
        name: Account name.
        issuer: What the app shows above it, such as vendor and model.
    """
    label = f"{quote(issuer.replace(':', ' '), safe='')}:{quote(name, safe='')}"
    secret = base64.b32encode(seed).decode().rstrip("=")
    facts = {
        "secret": secret,
        "issuer": issuer.replace(":", " "),
        "algorithm": "SHA1",
        "digits": DIGITS,
        "period": STEP_S,
    }
    return f"otpauth://totp/{label}?{urlencode(facts, quote_via=quote)}"
