"""The ways in which new software gets in, taken from the model's lines."""

from collections.abc import Sequence
from typing import NamedTuple

from holdfast.audit.image import Image
from holdfast.audit.model.update_skips import CERTIFICATE, PACKAGES, SIGNATURE
from holdfast.audit.verdicts import NotApplicable, Undecided

MANAGERS = frozenset({"opkg", "apt", "apk", "rpm"})
"""Tools that install packages, not whole images."""


class Way(NamedTuple):
    """One tool that installs.

    Attributes:
        name: As in `UpdatePath.tools`.
        path: Of the program.
        verified: Whether something was found that checks a signature for it.
        unclear: Why it may check one nevertheless.
        lacking: Why it checks none.
    """

    name: str
    path: str
    verified: bool
    unclear: str
    lacking: str


class Skip(NamedTuple):
    """One place that lets something unchecked through; `why` is without its first word."""

    where: str
    why: str
    offset: int | None = None


def ways(image: Image) -> list[Way]:
    """List the tools.

    Raises:
        NotApplicable: There is none.
        Undecided: There is none, and not everything could be opened, or updates are asked for.
    """
    updates = image.model.updates
    verified, unclear = _by_name(updates.verifiers), _by_name(updates.unclear)
    lacking = _by_name(updates.lacking)
    found = [
        Way(name, path, name in verified, unclear.get(name, ""), lacking.get(name, ""))
        for name, _, path in (line.partition(" ") for line in updates.tools)
    ]
    if not found and not image.opened.complete:
        raise Undecided("parts of the image could not be opened")
    if not found and updates.urls:
        raise Undecided(f"what installs was not recognised, but {updates.urls[0]} is asked")
    if not found:
        raise NotApplicable("nothing was found that installs software")
    return found


def _by_name(lines: Sequence[str]) -> dict[str, str]:
    return {name: rest for name, _, rest in (line.partition(" ") for line in lines)}


def skips(image: Image, kind: str) -> list[Skip]:
    """Give the places of one kind: `SIGNATURE`, `PACKAGES` or `CERTIFICATE`."""
    found = []
    for line in image.model.updates.skips:
        where, mark, why = line.partition(f" {kind} ")
        if mark:
            path, offset = located(where)
            found.append(Skip(path, why, offset))
    return found


def located(place: str) -> tuple[str, int | None]:
    """Part `path@offset`; `path:line` and a path stay as they are."""
    path, mark, offset = place.rpartition("@")
    return (path, int(offset)) if mark and offset.isdecimal() else (place, None)


__all__ = [
    "CERTIFICATE",
    "MANAGERS",
    "PACKAGES",
    "SIGNATURE",
    "Skip",
    "Way",
    "located",
    "skips",
    "ways",
]
