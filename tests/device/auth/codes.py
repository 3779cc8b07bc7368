"""What an app shows: seeds out of addresses, and codes out of seeds."""

import base64
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

from holdfast.accounts import totp


def seed_of(address: str) -> bytes:
    """Read the seed out of the address that is in a QR code."""
    (text,) = parse_qs(urlsplit(address).query)["secret"]
    return base64.b32decode(text + "=" * (-len(text) % 8))


def code_at(seed: bytes, moment: datetime) -> str:
    return totp.code_at(seed, totp.step_at(moment))
