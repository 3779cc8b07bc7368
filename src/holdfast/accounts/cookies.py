"""Device cookies: how a browser shows that somebody logged in from it before.

It is no session and opens nothing. It gives the browser a count of its own in `accounts.throttle`,
so that strangers who guess cannot keep the owner out.

Source:
    OWASP, Slow Down Online Guessing Attacks with Device Cookies.
"""

import os
import re
from collections.abc import Callable
from datetime import datetime, timedelta

LIFE = timedelta(days=180)
MOST_OF_A_NAME = 8
LONGEST = 128
_ID_BYTES = 16
_FORM = re.compile(r"1\.([0-9a-f]{32})\.([0-9]{1,12})\.([0-9a-f]{64})")


def fresh_id(randomness: Callable[[int], bytes] = os.urandom) -> str:
    """Make the id of a browser: 128 random bits, 32 hexadecimal digits."""
    return randomness(_ID_BYTES).hex()


def id_of(cookie: str) -> str:
    """Read the id out of a cookie without judging it; empty if it has another form.

    It serves to find the count of a browser without computing anything; `is_genuine` must follow.
    """
    found = _FORM.fullmatch(cookie) if len(cookie) <= LONGEST else None
    return found[1] if found else ""


def made(key: bytes, *, name: str, cookie_id: str, until: datetime) -> str:
    """Make a cookie.

    Args:
        key: 32 bytes that only auth has.
        name: Account for which it counts, and for no other.
        cookie_id: From `fresh_id`; forgetting it on the server revokes the cookie.
        until: End of its life, aware.
    """
    end = int(until.timestamp())
    return f"1.{cookie_id}.{end}.{_mac(key, name, cookie_id, end)}"


def is_genuine(cookie: str, key: bytes, *, name: str, now: datetime) -> bool:
    """Whether a cookie was made here for this account and is not too old."""
    import hmac  # noqa: PLC0415 - loads libcrypto, which a resident process need not carry

    found = _FORM.fullmatch(cookie) if len(cookie) <= LONGEST else None
    if found is None:
        return False
    end = int(found[2])
    right = hmac.compare_digest(_mac(key, name, found[1], end), found[3])
    return right and now.timestamp() < end


def _mac(key: bytes, name: str, cookie_id: str, end: int) -> str:
    import hmac  # noqa: PLC0415 - as above

    # Id and end have fixed alphabets, so the name, which comes last, cannot run into them.
    text = f"holdfast device cookie 1\0{cookie_id}\0{end}\0{name}"
    return hmac.digest(key, text.encode(errors="surrogatepass"), "sha256").hex()
