"""Keys whose private half is public, or the same in every build."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._key_places import finding, is_self_test, named
from holdfast.audit.image import Image
from holdfast.audit.model.keys import PRIVATE
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="No key is one that others have too",
    why="Keys from samples, test suites and other products were found on millions of devices on "
    "the internet; their private halves can be downloaded.",
    fix="Replace the key by one made on each device.",
    recommendation=1,
    severity=Severity.CRITICAL,
    sources=(
        "Article 1.12",
        "Article 1.11",
        "EN 303 645 5.4-3",
        "EN 303 645 5.4-4",
        "CRA Annex I part I (2)(d)",
        "EN 18031 CCK",
    ),
)


def run(image: Image) -> Iterator[Finding]:
    """Compare the keys with those that are published, and with the last approved build."""
    keys = [
        key for key in image.model.keys if key.purpose not in {"ca-bundle", "example", "keyring"}
    ]
    if not keys:
        raise NotApplicable("no key or certificate of its own was found")
    before = _before(image)
    for key in keys:
        if is_self_test(key):
            continue
        if key.known:
            published = f"{named(key)}: its private half is public"
            yield finding(key, published, (f"known from {key.known}",))
        elif key.kind in PRIVATE and key.fingerprint in before and not image.live:
            same = f"{named(key)}: the very same as in the last approved build"
            yield finding(key, same, (f"there in {before[key.fingerprint]}",), Severity.HIGH)


def _before(image: Image) -> dict[str, str]:
    if image.baseline is None:
        return {}
    keys = image.baseline.model.keys
    return {
        key.fingerprint: key.where[0]
        for key in keys
        if key.fingerprint and key.kind in PRIVATE and not is_self_test(key)
    }
