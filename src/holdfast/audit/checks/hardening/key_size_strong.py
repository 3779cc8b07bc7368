"""Keys that are too short for today."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._key_places import finding, is_self_test, named
from holdfast.audit.image import Image
from holdfast.audit.model.shapes import PlacedKey
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="Keys are long enough to last for the life of the product",
    why="RSA of 512 bits is factored in hours for some dollars, 768 bits was in 2009, and 1024 "
    "bits is within reach of states.",
    fix="Use Ed25519, P-256 or more, or RSA of at least 2048 bits.",
    recommendation=1,
    severity=Severity.MEDIUM,
    sources=(
        "EN 303 645 5.5-1",
        "EN 303 645 5.3-7",
        "CRA Annex I part I (2)(e)",
        "EN 18031 CRY",
        "NIST SP 800-57 part 1, table 2",
    ),
)

LEAST_BITS = {"rsa": 2048, "dsa": 2048, "dh": 2048, "ec": 224}
BROKEN_BITS = {"rsa": 1023, "dsa": 1023, "dh": 1023, "ec": 159}  # done, or nearly, in public


def run(image: Image) -> Iterator[Finding]:
    """Measure every key but those of public authorities, known hosts and examples."""
    others = {"ca-bundle", "example", "keyring", "ssh-known-host"}
    keys = [
        key for key in image.model.keys
        if key.bits and key.purpose not in others and not is_self_test(key)
    ]  # fmt: skip
    if not keys:
        raise NotApplicable("no key of its own was found")
    for key in keys:
        if key.bits < LEAST_BITS.get(key.algorithm, 0):
            what = f"{named(key)}: fewer than {LEAST_BITS[key.algorithm]} bits"
            yield finding(key, what, severity=_severity(key))


def _severity(key: PlacedKey) -> Severity | None:
    return Severity.HIGH if key.bits < BROKEN_BITS[key.algorithm] else None
