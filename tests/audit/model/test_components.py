"""The software in an image, each piece once."""

import gzip
import hashlib
from collections.abc import Mapping
from typing import Any

import pytest

from holdfast.audit.facts.gather import facts_of
from holdfast.audit.facts.shapes import FileFacts
from holdfast.audit.model.components import components_of, cpe_of
from holdfast.audit.model.kernel import kernel_of
from holdfast.audit.model.shapes import Component, Listener, Started, StartUp, Step
from holdfast.audit.patterns.components import SOFTWARE
from holdfast.audit.tree import Kind, Node, Tree
from tests.audit.elf_builder import build

BUSYBOX = build(strings=("BusyBox v1.24.1 (2015-11-03 07:16:13 UTC)",), needed=("libc.so",))
DNSMASQ = build(strings=("dnsmasq-2.75", "started, version %s"))
LIBSSL = build(type="library", soname="libssl.so.1.0.0", strings=("OpenSSL 1.0.2k  26 Jan 2017",))
HTTPD = build(needed=("libssl.so.1.0.0",), strings=("lighttpd/1.4.69",))


def components(
    files: Mapping[str, bytes | str],
    steps: tuple[Step, ...] = (),
    listeners: tuple[Listener, ...] = (),
) -> tuple[Component, ...]:
    """A text that begins with `->` is a link."""
    tree, digests, facts = Tree(), dict[str, str](), dict[str, FileFacts]()
    for path, text in files.items():
        if isinstance(text, str) and text.startswith("->"):
            tree.add(Node(path=path, kind=Kind.LINK, mode=0o777, target=text[2:]))
            continue
        content = text.encode() if isinstance(text, str) else text
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
    kernel = kernel_of(tree, facts, digests)
    start_up = StartUp(init="busybox-init", steps=steps)
    return components_of(tree, facts, digests, start_up, listeners, kernel)


def only(found: tuple[Component, ...]) -> Component:
    assert len(found) == 1, [(one.name, one.version) for one in found]
    return found[0]


def step(program: str, started: Started = Started.BOOT) -> Step:
    return Step(
        id=0, kind="command", where="etc/rc:1", text=program, program=program, started=started
    )


def test_a_program_is_one_component_however_often_it_is_there() -> None:
    found = only(components({"bin/busybox": BUSYBOX, "sbin/busybox.old": BUSYBOX}))
    assert (found.name, found.version, found.how) == ("busybox", "1.24.1", "string")
    assert found.purl == "pkg:generic/busybox@1.24.1"
    assert found.cpe == "cpe:2.3:a:busybox:busybox:1.24.1:*:*:*:*:*:*:*"
    assert found.evidence == "BusyBox v1.24.1"
    assert [place.partition("@")[0] for place in found.where] == ["bin/busybox", "sbin/busybox.old"]
    assert not found.copied
    assert (found.started, found.listening) == (Started.NO, False)


def test_two_versions_are_two_components() -> None:
    copy = build(type="library", strings=("RSA part of OpenSSL 0.9.8zh 3 Dec 2015",))
    found = components({"usr/lib/libssl.so.1.0.0": LIBSSL, "lib/libgdpr.so": copy})
    assert [(one.version, one.copied) for one in found] == [("0.9.8zh", True), ("1.0.2k", False)]


def test_who_was_only_built_with_a_header_holds_no_copy() -> None:
    outer = build(needed=("libouter.so",), strings=("OpenSSL 1.0.2k  26 Jan 2017",))
    inner = build(type="library", soname="libouter.so", needed=("libssl.so.1.0.0",))
    assert components({"usr/bin/a": outer, "usr/lib/libouter.so": inner}) == ()
    assert only(components({"usr/bin/a": outer})).copied


def test_a_library_runs_and_listens_with_who_loads_it() -> None:
    files: dict[str, bytes | str] = {
        "usr/sbin/lighttpd": HTTPD,
        "usr/lib/libssl.so.1.0.0": LIBSSL,
        "sbin/httpd": "->/usr/sbin/lighttpd",
        "bin/busybox": BUSYBOX,
    }
    listener = Listener(
        service="http", program="sbin/httpd", where="etc/rc:1", started=Started.BOOT
    )
    found = components(files, (step("/sbin/httpd"),), (listener,))
    assert {(one.name, one.started, one.listening) for one in found} == {
        ("busybox", Started.NO, False),
        ("lighttpd", Started.BOOT, True),
        ("openssl", Started.BOOT, True),
    }


def test_the_earliest_start_counts() -> None:
    steps = (step("bin/busybox", Started.STARTABLE), step("bin/busybox", Started.MAYBE))
    assert only(components({"bin/busybox": BUSYBOX}, steps)).started is Started.MAYBE


OPKG = """Package: dnsmasq
Version: 2.75-2
Status: install user installed

Package: hostapd-common
Version: 2015-03-25-1
Status: install user installed

Package: wpad-mini
Version: 2015-03-25-1
Status: install user installed

Package: uhttpd
Version: 2015-10-20-6183
Status: install user installed

Package: kmod-ppp
Version: 3.18.23-1
Status: install user installed

Package: libubox
Version: 2015-09-15-136a
Status: install user installed
"""


def control(source: str, licence: str = "GPL-2.0") -> str:
    return f"Source: {source}\nLicense: {licence}\n"


def test_packages_of_openwrt() -> None:
    info = "usr/lib/opkg/info"
    found = components(
        {
            "usr/lib/opkg/status": OPKG,
            f"{info}/dnsmasq.control": control("package/network/services/dnsmasq"),
            f"{info}/dnsmasq.list": "/usr/sbin/dnsmasq\n",
            f"{info}/hostapd-common.control": control("package/network/services/hostapd"),
            f"{info}/wpad-mini.control": control(
                "package/network/services/hostapd", "BSD-3-Clause"
            ),
            f"{info}/wpad-mini.list": "/usr/sbin/wpad\n",
            f"{info}/uhttpd.list": "/usr/sbin/uhttpd\n",
            f"{info}/kmod-ppp.control": control("package/kernel/linux"),
            "usr/sbin/dnsmasq": DNSMASQ,
            "usr/sbin/wpad": build(strings=("hostapd v2.5-devel\n",)),
            "usr/sbin/uhttpd": build(),
            "lib/modules/3.18.23/ppp.ko": build(type="module", modinfo={"vermagic": "3.18.23 "}),
            "etc/openwrt_release": "DISTRIB_ID='OpenWrt'\nDISTRIB_RELEASE='15.05'\n",
        }
    )
    told = {one.name: (one.version, one.how, one.package) for one in found}
    assert told == {
        "dnsmasq": ("2.75", "package", "dnsmasq 2.75-2"),
        "hostapd": ("2.5", "package", "wpad-mini 2015-03-25-1"),
        "libubox": ("2015-09-15", "package", "libubox 2015-09-15-136a"),
        "linux": ("3.18.23", "kernel", "kmod-ppp 3.18.23-1"),
        "openwrt": ("15.05", "file", ""),
        "uhttpd": ("2015-10-20", "package", "uhttpd 2015-10-20-6183"),
    }
    by_name = {one.name: one for one in found}
    assert by_name["dnsmasq"].purl == "pkg:opkg/dnsmasq@2.75-2"
    assert by_name["dnsmasq"].licence == "GPL-2.0"
    assert by_name["dnsmasq"].where[0].startswith("usr/sbin/dnsmasq@")
    assert by_name["hostapd"].cpe == "cpe:2.3:a:w1.fi:hostapd:2.5:*:*:*:*:*:*:*"
    assert by_name["uhttpd"].where == ("usr/sbin/uhttpd",)
    assert by_name["libubox"].where == ("usr/lib/opkg/status:21",)
    assert by_name["libubox"].cpe == ""
    assert by_name["linux"].started is Started.BOOT
    assert by_name["openwrt"].cpe == "cpe:2.3:o:openwrt:openwrt:15.05:*:*:*:*:*:*:*"


def test_packages_of_debian_become_what_they_were_built_from() -> None:
    log = b"openssl (1.0.2k-1) jessie; urgency=medium\n  * CVE-2017-3731\n"
    found = components(
        {
            "var/lib/dpkg/status": "Package: libssl1.0\nSource: openssl\nVersion: 1.0.2k-1\n"
            "Status: install ok installed\nArchitecture: amd64\n\n"
            "Package: openssl\nVersion: 1.0.2k-1\nStatus: install ok installed\n",
            "var/lib/dpkg/info/libssl1.0.list": "/usr/lib/libssl.so.1.0.0\n",
            "usr/share/doc/libssl1.0/changelog.Debian.gz": gzip.compress(log),
            "usr/lib/libssl.so.1.0.0": LIBSSL,
            "etc/os-release": 'ID=debian\nVERSION_ID="8"\nPRETTY_NAME="Debian 8"\n',
        }
    )
    assert [(one.name, one.version) for one in found] == [("debian", "8"), ("openssl", "1.0.2k")]
    openssl = found[1]
    assert openssl.fixed == ("CVE-2017-3731",)
    assert openssl.purl == "pkg:deb/debian/libssl1.0@1.0.2k-1"
    assert openssl.package == "libssl1.0 1.0.2k-1"
    assert found[0].cpe == ""  # the NVD names Debian as a whole in thousands of entries


def test_a_foreign_copy_in_a_package_stays_by_itself() -> None:
    found = components(
        {
            "usr/lib/opkg/status": "Package: camera\nVersion: 3-1\nStatus: ok installed\n",
            "usr/lib/opkg/info/camera.list": "/usr/bin/camera\n",
            "usr/bin/camera": build(strings=("inflate 1.2.3 Copyright 1995-2005 Mark Adler ",)),
        }
    )
    assert [(one.name, one.version, one.copied) for one in found] == [
        ("camera", "3", False),
        ("zlib", "1.2.3", True),
    ]
    assert found[1].package == "camera 3-1"


def test_what_is_known_without_version_is_not_told_beside_one_with() -> None:
    copy = build(exports=("cJSON_Parse",))
    assert only(components({"usr/bin/tmpd": copy})).version == ""
    library = build(type="library", soname="libcjson.so.1", exports=("cJSON_Parse",))
    found = components({"usr/bin/tmpd": copy, "usr/lib/libcjson.so.1.7.15": library})
    assert only(found).version == "1.7.15"


@pytest.mark.parametrize(
    ("name", "version", "cpe"),
    [
        ("openssh", "9.2p1", "cpe:2.3:a:openbsd:openssh:9.2:p1:*:*:*:*:*:*"),
        ("isc-dhcp", "4.4.3-P1", "cpe:2.3:a:isc:dhcp:4.4.3:p1:*:*:*:*:*:*"),
        ("boa", "0.94.14rc21", "cpe:2.3:a:boa:boa:0.94.14:rc21:*:*:*:*:*:*"),
        ("openssl", "0.9.8zh", "cpe:2.3:a:openssl:openssl:0.9.8zh:*:*:*:*:*:*:*"),
        ("swupdate", "2022.12+x", r"cpe:2.3:a:sbabic:swupdate:2022.12\+x:*:*:*:*:*:*:*"),
        ("hostapd", "2015-03-25", ""),  # a day is no version
        ("opkg", "9c97d5ecd795709c", ""),
        ("igmpproxy", "0.3", ""),  # the NVD does not know it
    ],
)
def test_cpe(name: str, version: str, cpe: str) -> None:
    assert cpe_of(SOFTWARE[name], version) == cpe


@pytest.mark.parametrize("text", ["ID=\n", "ID=../..\nVERSION_ID=1\n", "", "\0" * 99])
def test_a_release_file_with_nonsense_names_no_system(text: str) -> None:
    assert components({"etc/os-release": text}) == ()


def test_a_boot_loader_beside_the_root_runs() -> None:
    loader = bytes(200) + b"U-Boot 1.1.3 (Nov 19 2023 - 18:30:02)\0" + bytes(200)
    found = only(components({":U-Boot@0x200/program": loader}))
    assert (found.name, found.version, found.started) == ("u-boot", "1.1.3", Started.BOOT)


def test_nothing_is_in_an_empty_tree() -> None:
    nothing: dict[str, Any] = {}
    assert components(nothing) == ()


def test_a_package_of_a_library_counts_without_its_source() -> None:
    status = (
        "Package: libopenssl3\nVersion: 3.0.13-1\nStatus: install user installed\n\n"
        "Package: libmbedtls12\nVersion: 2.28.7-1\nStatus: install user installed\n\n"
        "Package: libpcre2\nVersion: 10.42-1\nStatus: install user installed\n\n"
        "Package: libustream-mbedtls20201210\nVersion: 2023-02-25-498f6e26-1\n"
        "Status: install user installed\n"
    )
    found = {one.name: one.cpe for one in components({"usr/lib/opkg/status": status})}
    assert found["openssl"].startswith("cpe:2.3:a:openssl:openssl:3.0.13:")
    assert found["mbedtls"].startswith("cpe:2.3:a:arm:mbed_tls:2.28.7:")
    assert found["pcre2"].startswith("cpe:2.3:a:pcre:pcre2:10.42:")
    assert found["libustream-mbedtls20201210"] == ""


def test_alpine_writes_patches_in_its_own_way() -> None:
    installed = "P:openssh-server\nV:9.0_p1-r2\no:openssh\n\n"
    release = "ID=alpine\nVERSION_ID=3.16.2\n"
    found = {
        one.name: one
        for one in components({"lib/apk/db/installed": installed, "etc/os-release": release})
    }
    assert found["openssh"].cpe.startswith("cpe:2.3:a:openbsd:openssh:9.0:p1:")
    assert found["openssh"].purl == "pkg:apk/alpine/openssh-server@9.0_p1-r2"
    assert found["alpine"].cpe.startswith("cpe:2.3:o:alpinelinux:alpine_linux:3.16.2:")


@pytest.mark.parametrize(
    ("database", "text"),
    [
        ("lib/apk/db/installed", "P:kernel\nV:6.6.73~a21259e4f338-r1\no:linux\n\n"),
        ("usr/lib/opkg/status", "Package: kernel\nVersion: 6.6.73-1-a21259e4f338\n"),
    ],
)
def test_the_digest_of_a_kernel_s_configuration_is_no_part_of_its_version(
    database: str, text: str
) -> None:
    (found,) = components({database: text})
    assert (found.version, found.purl) == ("6.6.73", "pkg:generic/linux@6.6.73")
