"""Whether the image updates itself as its profile promises."""

import tomllib
from collections.abc import Iterator

from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="The image updates itself as its profile promises",
    why="Label and documents are made from the profile; a promise that the image does not keep "
    "misleads owners and authorities.",
    fix="Build the agent in and let it start, or change the promise.",
    recommendation=3,
    severity=Severity.HIGH,
    sources=(
        "Article 3.2",
        "EN 303 645 5.3-2",
        "EN 303 645 5.3-5",
        "CRA Annex I part I (2)(c)",
    ),
)


def run(image: Image) -> Iterator[Finding]:
    """Compare the profile's promises with what the image has."""
    profile, updates = image.profile, image.model.updates
    if profile is None:
        raise NotApplicable("no profile was given")
    if not updates.tools:
        yield Finding(where="", what="the profile promises updates; nothing installs any")
        return
    if profile.updates.consent == "automatic" and not updates.automatic:
        yield Finding(where="", what="the profile promises automatic updates; nothing asks for any")
    yield from _other_product(image, profile.identity.product)


def _other_product(image: Image, product: str) -> Iterator[Finding]:
    for path in sorted(image.digests):
        if not path.endswith("/product.toml") or "holdfast" not in path:
            continue
        try:
            inside = tomllib.loads(image.text(path) or "").get("identity", {})
        except (tomllib.TOMLDecodeError, RecursionError):
            continue
        name = inside.get("product") if isinstance(inside, dict) else None
        if isinstance(name, str) and name != product:
            yield Finding(where=path, what=f"is the profile of another product, {name[:40]!r}")
