"""Private keys in the image."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._key_places import finding, named, private
from holdfast.audit.image import Image
from holdfast.audit.model.shapes import PlacedKey
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="No private key is in the image",
    why="Whoever unpacks a published image has its keys; then every device of the model can be "
    "impersonated, and its traffic read.",
    fix="Make keys on the device at its first start, or bring them in one by one in the factory; "
    "take the key out of the image and never use it again.",
    recommendation=1,
    severity=Severity.HIGH,
    sources=(
        "Article 1.12",
        "EN 303 645 5.4-3",
        "EN 303 645 5.4-1",
        "EN 303 645 5.4-4",
        "CRA Annex I part I (2)(e)",
        "EN 18031 CCK",
    ),
)

# The checks ssh-host-key-absent and update-signing-key-absent tell of these.
ELSEWHERE = frozenset({"ssh-host", "update-sign"})


def run(image: Image) -> Iterator[Finding]:
    """Name every key with a private half that an image holds."""
    for key in private(image):
        if key.purpose not in ELSEWHERE:
            yield finding(key, _what(key), _evidence(key), _severity(key))


def _what(key: PlacedKey) -> str:
    use = f", used for {key.purpose}" if key.purpose not in {"", "example"} else ""
    if key.kind == "pkcs12":
        return f"PKCS#12 store, usually with a private key{use}"
    if key.kind == "encrypted-private-key":
        return f"private key behind a passphrase that the device must know as well{use}"
    if key.purpose == "example":
        return f"{named(key)} in documentation or tests"
    return f"{named(key)} that every device would share{use}"


def _evidence(key: PlacedKey) -> tuple[str, ...]:
    known = (f"known from {key.known}",) if key.known else ()
    return (f"SHA-256 of its public half {key.fingerprint}", *known) if key.fingerprint else known


def _severity(key: PlacedKey) -> Severity | None:
    if key.purpose == "example":
        return Severity.INFO
    return Severity.MEDIUM if key.kind in {"encrypted-private-key", "pkcs12"} else None
