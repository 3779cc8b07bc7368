"""What a careful human found in three real images is found."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import pytest

from holdfast.audit.facts.gather import facts_of
from holdfast.audit.facts.shapes import FileFacts, FileKind
from holdfast.audit.limits import Limits
from holdfast.audit.model.components import components_of
from holdfast.audit.model.kernel import kernel_of
from holdfast.audit.model.shapes import StartUp
from holdfast.audit.tree import Tree
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.opening import Opening
from holdfast.audit.unpack.source import Bytes

IMAGES = Path(__file__).parents[4] / "shared/data/firmware"
DLINK = "dlink-dir300b5-2.15.bin"
TPLINK = "tplink-wr841nv14-eu.bin"
OPENWRT = "openwrt-r47364-wrt350nv2-sysupgrade.img"

pytestmark = pytest.mark.slow


class Seen(NamedTuple):
    tree: Tree
    facts: dict[str, FileFacts]
    digests: dict[str, str]


_SEEN: dict[str, Seen] = {}


def seen(name: str) -> Seen:
    if not (IMAGES / name).exists():
        pytest.skip(f"there is no {name} beside the project")
    if name not in _SEEN:
        opening = Opening(Budget(Limits()))
        opening.image(Bytes((IMAGES / name).read_bytes()), name)
        tree = opening.result().tree
        facts: dict[str, FileFacts] = {}
        digests: dict[str, str] = {}
        for node in tree.files():
            if node.read is not None:
                content = node.read()
                digests[node.path] = digest = hashlib.sha256(content).hexdigest()
                facts[digest] = facts.get(digest) or facts_of(content, digest)
        _SEEN[name] = Seen(tree, facts, digests)
    return _SEEN[name]


def components(name: str) -> dict[str, set[str]]:
    tree, facts, digests = seen(name)
    kernel = kernel_of(tree, facts, digests)
    found: dict[str, set[str]] = {}
    for one in components_of(tree, facts, digests, StartUp(init="none"), (), kernel):
        found.setdefault(one.name, set()).add(one.version)
    return found


@pytest.mark.parametrize(
    ("name", "files", "nx", "loader", "relro", "canary"),
    [(DLINK, 94, 0, 9, 4, 0), (TPLINK, 83, 1, 9, 5, 0), (OPENWRT, 130, 67, 0, 0, 1)],
)
def test_hardening_of_all_elf_files(
    name: str, files: int, nx: int, loader: int, relro: int, canary: int
) -> None:
    """The table counts modules as files; its PIE is what can be loaded anywhere and starts."""
    facts = seen(name).facts
    paths = [path for path in seen(name).digests if not path.startswith(":")]
    known = [facts[seen(name).digests[path]] for path in paths]
    elves = [one.elf for one in known if one.elf is not None]
    rest = [elf for elf in elves if elf.type != "object"]
    assert len(elves) == files
    assert sum(elf.nx for elf in rest) == nx
    assert sum(elf.pie and elf.interpreter != "" for elf in rest) == loader
    assert sum(elf.relro != "none" for elf in rest) == relro
    assert sum(elf.canary for elf in rest) == canary
    assert [one.fault for one in known if one.fault] == []
    assert not [elf for elf in rest if elf.type == "program" and elf.pie]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            DLINK,
            {
                "linux": {"2.6.33.2"},
                "busybox": {"1.14.1"},
                "uclibc": {"0.9.30.1"},
                "dnsmasq": {"2.45"},
                "hostapd": {"0.5.11"},
                "mathopd": {"1.6b9"},
                "openssl": {"0.9.8a"},
                "iptables": {"1.4.7"},
                "ppp": {"2.4.2b3"},
                "radvd": {"1.8"},
                "udhcp": {"0.9.8"},
            },
        ),
        (
            TPLINK,
            {
                "linux": {"2.6.36"},
                "busybox": {"1.19.2"},
                "uclibc": {"0.9.33.2"},
                "dropbear": {"2012.55"},
                "libupnp": {"1.6.19", "1.3.1"},
                "openssl": {"0.9.8zh"},
                "xl2tpd": {"1.1.12"},
                "ppp": {"2.4.5"},
                "ebtables": {"2.0.10-4"},
                "iptables": {"1.4.17"},
                "u-boot": {"1.1.3"},
            },
        ),
        (
            OPENWRT,
            {
                "linux": {"3.18.23"},
                "busybox": {"1.24.1"},
                "musl": {"1.1.11"},
                "dropbear": {"2015.68"},
                "dnsmasq": {"2.75"},
                "hostapd": {"2.5"},
                "wpa_supplicant": {"2.5"},
                "lua": {"5.1.5"},
                "uhttpd": {"2015-10-20"},
                "ppp": {"2.4.7"},
                "iptables": {"1.4.21"},
                "json-c": {"0.12"},
                "openwrt": {"r47364"},
            },
        ),
    ],
)
def test_every_component_is_found_once(name: str, expected: dict[str, set[str]]) -> None:
    found = components(name)
    assert {key: found.get(key) for key in expected} == expected
    assert "samba" not in found
    assert "gcc" not in found


def test_copies_are_told_from_libraries() -> None:
    tree, facts, digests = seen(TPLINK)
    kernel = kernel_of(tree, facts, digests)
    found = components_of(tree, facts, digests, StartUp(init="none"), (), kernel)
    copied = {(one.name, one.where[0].partition("@")[0]) for one in found if one.copied}
    assert ("openssl", "lib/libgdpr.so") in copied
    assert ("libupnp", "usr/bin/wscd") in copied
    assert not any(one.copied for one in found if one.version == "1.6.19")


@pytest.mark.parametrize(
    ("name", "built", "modules"),
    [(DLINK, "2012-10-10", 3), (TPLINK, "2023-11-19", 25), (OPENWRT, "2015-11-03", 63)],
)
def test_kernel(name: str, built: str, modules: int) -> None:
    kernel = kernel_of(*seen(name))
    assert kernel.banner.startswith(f"Linux version {kernel.version} (")
    assert kernel.built == built
    assert len(kernel.modules) == modules
    assert kernel.where[0].startswith(":kernel@")


def test_modules_are_modules() -> None:
    for name in (DLINK, TPLINK, OPENWRT):
        _, facts, digests = seen(name)
        paths = [path for path in digests if path.endswith(".ko")]
        assert {facts[digests[path]].kind for path in paths} == {FileKind.MODULE}
