"""The key that signs updates, shipped to everybody."""

from collections.abc import Iterator

from holdfast.audit.checks.updates._ways import located
from holdfast.audit.image import Image
from holdfast.audit.model.keys import PRIVATE
from holdfast.audit.model.shapes import PlacedKey
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="The private key that signs updates is not in the image",
    why="It was found in images of several makers; from then on everybody can sign updates for all "
    "of their devices.",
    fix="Take it out, make a new one on a machine that is never connected, and rotate the public "
    "half in an update.",
    recommendation=3,
    severity=Severity.CRITICAL,
    sources=(
        "Article 1.12",
        "Article 3.7",
        "EN 303 645 5.4-3",
        "EN 303 645 5.4-4",
        "EN 303 645 5.3-7",
        "CRA Annex I part I (2)(f)",
        "EN 18031 CCK",
    ),
)


def run(image: Image) -> Iterator[Finding]:
    """Look for private keys that are named for signing, or fit a key that verifies."""
    keys = image.model.keys
    verifying = {key.fingerprint: key.where[0] for key in keys if key.purpose == "update-verify"}
    verifying.pop("", None)
    for key in keys:
        if key.kind not in PRIVATE:
            continue
        fits = verifying.get(key.fingerprint, "")
        if not fits and key.purpose != "update-sign" and key.kind != "usign-secret-key":
            continue
        path, offset = located(key.where[0])
        yield Finding(where=path, what=_what(key, fits), offset=offset)


def _what(key: PlacedKey, fits: str) -> str:
    words = key.kind.replace("-", " ")
    return f"{words} that signs updates" + (f": it fits {fits}" if fits else ", by its place")
