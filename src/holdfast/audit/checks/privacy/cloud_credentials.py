"""Keys to the maker's accounts at other services."""

import re
from collections import Counter
from collections.abc import Iterator
from math import log2
from typing import Final

from holdfast.audit.checks.privacy._places import content, own_hits, place
from holdfast.audit.facts.shapes import Hit
from holdfast.audit.image import Image
from holdfast.audit.patterns import ALL
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="No key to a service of the maker is in the image",
    why="One key taken from an image opened the cameras, or the customer data, of every owner.",
    fix="Revoke the key at the service today; give each device a key of its own that opens only "
    "what that device needs.",
    recommendation=5,
    severity=Severity.HIGH,
    sources=(
        "Article 1.12",
        "Article 5.4",
        "EN 303 645 5.4-3",
        "EN 303 645 5.4-4",
        "CRA Annex I part I (2)(e)",
        "EN 18031 CCK",
    ),
)

SERVICES: Final[dict[str, str]] = {
    "cloud-aws": "Amazon Web Services",
    "cloud-google": "a Google service",
    "cloud-github": "GitHub",
    "cloud-gitlab": "GitLab",
    "cloud-slack": "Slack",
    "cloud-stripe": "Stripe",
    "cloud-sendgrid": "SendGrid",
    "cloud-telegram": "Telegram",
    "cloud-azure": "Microsoft Azure",
    "cloud-token": "a service that takes signed tokens",
    "cloud-google-account": "a Google service account",
}
MILDER: Final = {"cloud-google": Severity.LOW, "cloud-token": Severity.MEDIUM}
ENOUGH_BITS: Final = 3.0  # of entropy a character; `AKIAXXXXXXXXXXXXXXXX` has fewer
EXPRESSIONS: Final = {one.name: re.compile(one.expression) for one in ALL if one.name in SERVICES}


def run(image: Image) -> Iterator[Finding]:
    """Look for the forms of keys that services hand out; examples do not count."""
    for path, hit in own_hits(image, *SERVICES):
        if not _is_real(content(image, path), hit):
            continue
        where, offset = place(image, path, hit)
        what = f"key to {SERVICES[hit.pattern]}"
        yield Finding(where=where, what=what, offset=offset, severity=MILDER.get(hit.pattern))


def _is_real(whole: bytes, hit: Hit) -> bool:
    match = EXPRESSIONS[hit.pattern].match(whole, hit.offset)
    if match is None:
        return False
    before, after = whole[max(hit.offset - 1, 0) : hit.offset], whole[match.end() : match.end() + 1]
    alone = b"+/_-"  # a piece out of the middle of base64 is no key; `=` stands only at its end
    if hit.pattern == "cloud-aws" and (
        (before and (before.isalnum() or before in alone)) or after.isalnum()
    ):
        return False
    if hit.pattern == "cloud-google-account":
        return b"-----BEGIN PRIVATE KEY-----" in whole
    found = match[0]
    return b"EXAMPLE" not in found.upper() and _entropy(found) >= ENOUGH_BITS


def _entropy(text: bytes) -> float:
    counts = Counter(text).values()
    return -sum(many / len(text) * log2(many / len(text)) for many in counts)
