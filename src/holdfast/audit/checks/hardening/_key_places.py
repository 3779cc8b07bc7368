"""How a key becomes a finding: its first place, the others as evidence, never its secret."""

from collections.abc import Iterator, Sequence

from holdfast.audit.image import Image
from holdfast.audit.model.keys import PRIVATE
from holdfast.audit.model.shapes import PlacedKey
from holdfast.audit.verdicts import Finding, NotApplicable, Severity

SELF_TESTED = (
    "libgnutls.so",
    "libcrypto.so",
    "libgcrypt.so",
    "libwolfssl.so",
    "libmbedcrypto.so",
    "libnettle.so",
    "libfreebl",
    "libsoftokn3.so",
    "vmlinux",
    "vmlinuz",
    "cryptomgr.ko",
    "tcrypt.ko",
)
"""What carries keys to test itself with, the kernel too; nobody else's secrets are in there."""


def split(place: str) -> tuple[str, int | None]:
    """Part `path@offset`."""
    path, mark, offset = place.rpartition("@")
    return (path, int(offset)) if mark and offset.isdecimal() else (place, None)


def finding(
    key: PlacedKey, what: str, evidence: Sequence[str] = (), severity: Severity | None = None
) -> Finding:
    """Tell of one key."""
    path, offset = split(key.where[0])
    others = tuple(f"also {place}" for place in key.where[1:5])
    return Finding(
        where=path, what=what, offset=offset, evidence=(*evidence, *others), severity=severity
    )


def named(key: PlacedKey) -> str:
    """Say which key it is, in words: kind, algorithm and size."""
    words = key.kind.replace("-", " ")
    known = key.algorithm not in {"unknown", ""} and key.algorithm not in key.kind
    return f"{words} ({key.algorithm.upper()} {key.bits or ''}".rstrip() + ")" if known else words


def private(image: Image) -> Iterator[PlacedKey]:
    """Give the keys with a private half, without those of a library's self-test.

    Raises:
        NotApplicable: It is a running system, which has keys of its own.
    """
    if image.live:
        raise NotApplicable("a running device has keys of its own")
    for key in image.model.keys:
        if key.kind in PRIVATE and not is_self_test(key):
            yield key


def is_self_test(key: PlacedKey) -> bool:
    """Tell whether a key is there only for a library to test itself."""
    if key.known.startswith("self-test"):
        return True
    names = [split(place)[0].rpartition("/")[2] for place in key.where]
    return all(name.startswith(SELF_TESTED) for name in names)
