"""Digests of a file in one reading: the one that protects, and the two that old clients ask for."""

import hashlib
from dataclasses import dataclass
from typing import BinaryIO

from holdfast.core.files import CHUNK_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """Length and digests of one file, lower-case hexadecimal.

    Attributes:
        sha256: The only one that protects anything.
        sha1: For DDI clients that compare nothing else (rauc-hawkbit-updater, SWUpdate).
        md5: For the `.MD5SUM` file of the DDI.
        size_bytes: Length of the file.
    """

    sha256: str
    sha1: str
    md5: str
    size_bytes: int


def digests_of(file: BinaryIO) -> Digests:
    """Read the rest of an open file and return its digests."""
    sha256 = hashlib.sha256()
    sha1 = hashlib.sha1(usedforsecurity=False)  # noqa: TID251 - the DDI asks for it
    md5 = hashlib.md5(usedforsecurity=False)  # noqa: TID251 - the DDI asks for it
    size_bytes = 0
    while chunk := file.read(CHUNK_BYTES):
        size_bytes += len(chunk)
        sha256.update(chunk)
        sha1.update(chunk)
        md5.update(chunk)
    return Digests(
        sha256=sha256.hexdigest(),
        sha1=sha1.hexdigest(),
        md5=md5.hexdigest(),
        size_bytes=size_bytes,
    )
