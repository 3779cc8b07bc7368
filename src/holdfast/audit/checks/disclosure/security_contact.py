"""Where somebody who finds a hole can report it."""

from collections.abc import Iterator

from holdfast.audit.checks.disclosure._texts import page_hit, page_with, pages, security_txts
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity, Undecided

ABOUT = About(
    title="The product says where to report a vulnerability",
    why="Who finds no contact publishes without one, or sells what he found.",
    fix="Show the contact and the policy in the interface, and serve /.well-known/security.txt.",
    recommendation=4,
    severity=Severity.LOW,
    sources=(
        "Article 4.2",
        "EN 303 645 5.2-1",
        "CRA Annex I part II (6)",
        "PSTI Sch. 1 para 2",
        "RFC 9116",
    ),
)


def run(image: Image) -> Iterator[Finding]:
    """Look for security.txt and for a contact in the pages; the profile says which one.

    An image without either may still have its contact on the maker's site, so it fails only if
    its pages lack what its profile promises, or its security.txt names nobody.
    """
    found = security_txts(image)
    for path in found:
        fields = [line.partition(":")[0].strip().lower() for _, line in image.lines(path)]
        if "contact" not in fields:
            yield Finding(where=path, what="names no Contact")
    if image.profile is not None:
        contact, policy = image.profile.disclosure.contact, image.profile.disclosure.policy
        if page_with(image, contact.removeprefix("mailto:"), policy):
            return
        if found or next(pages(image), None) is not None:
            what = "the contact of the profile stands in no page and in no security.txt"
            yield Finding(where=found[0] if found else "", what=what)
            return
        raise NotApplicable("the image has no pages on which a contact could stand")
    if found or page_hit(image, "disclosure-contact"):
        return
    raise Undecided("no contact stands in the image; it may stand on the maker's site")
