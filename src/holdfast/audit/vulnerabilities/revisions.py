"""Hardware revisions, however they are written, and names of products."""

import re
from typing import NamedTuple

from holdfast.audit.vulnerabilities.identifiers import letters_of
from holdfast.audit.vulnerabilities.identity import Identity


class Revision(NamedTuple):
    """A hardware revision taken apart: `b5` is letter b and number 5, `v14` number 14."""

    letter: str
    number: str


_REVISION = re.compile(
    r"(?:(?:hw|h/w|hardware)[ ._-]*)?(?:revision|rev|ver|version|v|r)?[ ._-]*"
    r"(?:([a-z])(?:x|(\d{1,2}))?|(\d{1,3})(?:\.0+)?)"
)


def revision_of(text: str) -> Revision | None:
    """Read a hardware revision, however it is written; None if it is none."""
    found = _REVISION.fullmatch(text.strip().lower())
    return Revision(found[1] or "", found[2] or found[3] or "") if found else None


def same_revision(mine: str, theirs: str) -> bool | None:
    """Tell whether a revision is the one that a record names; None if it cannot be told.

    Args:
        mine: Of the product.
        theirs: As the record has it; a letter alone stands for all of that letter.
    """
    if theirs in {"*", "-", ""}:
        return True
    one, other = revision_of(mine), revision_of(theirs)
    if one is None or other is None:
        return mine.lower() == theirs.lower() or None
    if one == other:
        return True
    if one.letter != other.letter:
        return False
    if not other.number:
        return True
    return None if not one.number else False


def any_revision(identity: Identity, theirs: str) -> bool | None:
    """Do `same_revision` for a product that has several, or whose revision is not known."""
    if theirs in {"*", "-", ""}:
        return True
    answers = {same_revision(mine, theirs) for mine in identity.revisions}
    if True in answers:
        return True
    return None if not answers or None in answers else False


def is_ours(identity: Identity, name: str) -> bool:
    """Tell whether a `vendor:product` is this product, whatever its revision."""
    vendor, _, product = name.partition(":")
    return letters_of(vendor) == letters_of(identity.vendor) and letters_of(
        product.removesuffix("_firmware")
    ) == letters_of(identity.model)
