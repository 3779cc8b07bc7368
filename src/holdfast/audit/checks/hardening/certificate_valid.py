"""Certificates that are over, or soon will be."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from holdfast.audit.checks.hardening._key_places import finding
from holdfast.audit.image import Image
from holdfast.audit.model.shapes import PlacedKey
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="No certificate of the product is over",
    why="Devices were stranded when the certificate that they checked updates with was over, and "
    "owners who click warnings away no longer notice an attack.",
    fix="Replace it by an update while the old one still holds, and watch the dates of all.",
    recommendation=1,
    severity=Severity.MEDIUM,
    sources=("EN 303 645 5.5-1", "CRA Annex I part I (2)(e)", "EN 18031 CRY"),
)

SOON = timedelta(days=90)
NEVER = datetime(9999, 1, 1, tzinfo=UTC)  # RFC 5280 4.1.2.5: no good date is known


def run(image: Image) -> Iterator[Finding]:
    """Compare the dates with the moment of the audit; lists of authorities do not count."""
    others = {"ca-bundle", "example"}
    found = [
        key for key in image.model.keys
        if key.kind == "certificate" and key.not_after and key.purpose not in others
    ]  # fmt: skip
    if not found:
        raise NotApplicable("no certificate of its own was found")
    for key in found:
        until = datetime.fromtimestamp(min(key.not_after, int(NEVER.timestamp())), UTC)
        if until < image.now:
            yield finding(key, f"was over on {until:%Y-%m-%d}", _who(key))
        elif until < image.now + SOON:
            yield finding(key, f"is over on {until:%Y-%m-%d}", _who(key), Severity.LOW)


def _who(key: PlacedKey) -> tuple[str, ...]:
    return (f"certificate of {key.subject}",) if key.subject else ()
