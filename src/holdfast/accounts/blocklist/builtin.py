"""The list that comes with Holdfast, and which lists are known without a signature.

`script/blocklist` writes this file's seals, and the files, from packages/.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from holdfast.accounts.blocklist.reader import BlockList, Lists

PATH: Final = Path(__file__).with_name("common.blocklist")
SEAL: Final = "5d925299750a19cdeb7b693d1c2140608c4351d7909293dcd667f9e2fb3a04f9"
PROBABLE_SEAL: Final = "f378dd819c128b5ebbc7915b447dc3245fffdd159bb194bec83eca61f78c4ebe"
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
