"""Which kernel an image starts, and how it was built."""

import gzip
import hashlib
from collections.abc import Mapping

import pytest

from holdfast.audit.facts.gather import facts_of
from holdfast.audit.facts.shapes import FileFacts
from holdfast.audit.model.kernel import kernel_of
from holdfast.audit.model.shapes import Kernel
from holdfast.audit.tree import Kind, Node, Tree
from tests.audit.elf_builder import build

BANNER = (
    b"Linux version 3.18.23 (tux@box) (gcc version 4.8.3 (OpenWrt/Linaro GCC 4.8-2014.04 r47364) ) "
    b"#2 Tue Nov 3 07:44:12 UTC 2015\n\0"
)
CONFIG = '# CONFIG_MODULES is not set\nCONFIG_DEVMEM=y\nCONFIG_CMDLINE="root=/dev/sda"\n'


def kernel(files: Mapping[str, bytes]) -> Kernel:
    tree, digests, facts = Tree(), dict[str, str](), dict[str, FileFacts]()
    for path, content in files.items():
        tree.add(
            Node(
                path=path,
                kind=Kind.FILE,
                mode=0o644,
                size_bytes=len(content),
                read=lambda content=content: content,  # type: ignore[misc]
            )
        )
        digests[path] = hashlib.sha256(content).hexdigest()
        facts[digests[path]] = facts_of(content)
    return kernel_of(tree, facts, digests)


def module(version: str, name: str = "ppp") -> bytes:
    return build(type="module", modinfo={"name": name, "vermagic": f"{version} mod_unload ARMv5"})


def test_a_banner_tells_most() -> None:
    seen = kernel(
        {
            ":kernel@0x48/vmlinux": bytes(500) + BANNER + bytes(50),
            "lib/modules/3.18.23/ppp-async.ko": module("3.18.23", "ppp_async"),
            "lib/modules/3.18.23/slhc.ko.gz": gzip.compress(module("3.18.23", "slhc")),
        }
    )
    assert seen.version == "3.18.23"
    assert seen.where[0] == ":kernel@0x48/vmlinux@500"
    assert seen.banner == BANNER.decode().strip("\n\0")
    assert seen.built == "2015-11-03"
    assert seen.modules == ("ppp_async", "slhc")
    assert not seen.symbols


def test_of_two_kernels_that_with_modules_counts() -> None:
    rescue = BANNER.replace(b"3.18.23", b"4.4.6")
    seen = kernel(
        {
            ":kernel@0x0/vmlinux": bytes(40) + rescue,
            ":kernel@0x900000/vmlinux": bytes(40) + BANNER,
            "lib/modules/3.18.23/ppp.ko": module("3.18.23"),
        }
    )
    assert seen.version == "3.18.23"


def test_modules_tell_when_no_kernel_is_there() -> None:
    seen = kernel(
        {"lib/modules/ppp.ko": module("2.6.33.2"), "lib/modules/a.ko": module("2.6.33.2")}
    )
    assert (seen.version, seen.banner, seen.built) == ("2.6.33.2", "", "")
    assert seen.where == ("lib/modules/a.ko", "lib/modules/ppp.ko")


def test_the_header_of_u_boot_tells_when_the_kernel_in_it_cannot_be_read() -> None:
    header = b"\x27\x05\x19\x56" + b"\xff\n\0z" * 7 + b"MIPS OpenWrt Linux-4.14.221\0"
    seen = kernel({"boot/uImage": header + bytes(60)})
    assert (seen.version, seen.where) == ("4.14.221", ("boot/uImage@0",))


@pytest.mark.parametrize("number", [b"1", b""])
def test_the_name_of_debians_interface_is_no_version(number: bytes) -> None:
    banner = (
        b"Linux version 6.1.0-13-amd64 (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14) "
        b"12.2.0, GNU ld) #" + number + b" SMP PREEMPT_DYNAMIC Debian 6.1.55-1 (2023-09-29)\n\0"
    )
    seen = kernel({":vmlinuz/vmlinux": bytes(9) + banner})
    assert (seen.version, seen.built) == ("6.1.55", "2023-09-29")


@pytest.mark.parametrize(
    ("path", "content", "where"),
    [
        ("boot/config-6.1.55", CONFIG.encode(), "boot/config-6.1.55"),
        ("proc/config.gz", gzip.compress(CONFIG.encode(), mtime=0), "proc/config.gz"),
        (":kernel@0x48/config", CONFIG.encode(), ":kernel@0x48/config"),
        (
            "lib/modules/configs.ko",
            build(
                type="module",
                rodata=b"IKCFG_ST" + gzip.compress(CONFIG.encode(), mtime=0) + b"IKCFG_ED",
            ),
            "",
        ),
    ],
)
def test_configuration(path: str, content: bytes, where: str) -> None:
    seen = kernel({path: content})
    assert seen.config == (("CMDLINE", "root=/dev/sda"), ("DEVMEM", "y"), ("MODULES", "n"))
    assert seen.config_where == (where or f"{path}@{content.index(b'IKCFG_ST')}")


def test_the_name_of_a_configuration_tells_the_version() -> None:
    assert kernel({"boot/config-6.1.55": CONFIG.encode()}).version == "6.1.55"


def test_symbols() -> None:
    assert kernel({"boot/System.map-6.1.0": b"0 T _text\n"}).symbols


def test_a_log_and_a_damaged_configuration_tell_nothing() -> None:
    seen = kernel({"var/log/dmesg": BANNER[:-1], "proc/config.gz": b"\x1f\x8b\x08" + bytes(30)})
    assert seen == Kernel()


def test_the_source_files_that_a_kernel_names_tell_what_is_in_it() -> None:
    names = b"drivers/android/binder.c\0../build/net/ipv4/tcp.c\0fs/none.txt\0mm/x.c\0"
    seen = kernel({":kernel@0x48/vmlinux": BANNER + names})
    assert seen.parts == ("drivers/android/binder", "net/ipv4/tcp")
    assert kernel({"etc/motd": names}).parts == ()
