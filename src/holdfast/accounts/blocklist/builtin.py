"""The list that comes with Holdfast, and which lists are known without a signature.

`script/blocklist` writes this file's seals, and the files, from packages/.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from holdfast.accounts.blocklist.reader import BlockList, Lists

PATH: Final = Path(__file__).with_name("common.blocklist")
SEAL: Final = "4134729cace06a8d3f22a30bce8ab1f2d7783a43fdb1808d82414f56f10de1fe"
PROBABLE_SEAL: Final = "95db8dce5047d7d0df3ae06f76161d1aa26dc47d4feb9136bb11a522ea9769cd"
PUBLISHED: Final[Mapping[str, str]] = MappingProxyType({SEAL: "common", PROBABLE_SEAL: "probable"})
"""Seals of the lists that this release of Holdfast publishes.

Whoever can change them here can change the check as well: this code lies on the read-only root of
a device, which came by a signed release.
"""


def block_list() -> BlockList:
    """Open the list that comes with Holdfast.

    Raises:
        BlockListError: It is missing or damaged.
    """
    return BlockList(PATH, seal=SEAL)


def opened(sealed: Iterable[tuple[Path, str]] = ()) -> Lists:
    """Open it, and others for which `child` or `signature` has found a seal.

    A few milliseconds; once for each process. Needs no `cryptography`.

    Raises:
        BlockListError: One of them cannot be used; then none is, and no password can be set.
    """
    return Lists(block_list(), *(BlockList(path, seal=seal) for path, seal in sealed))
