"""The databases of package managers."""

import gzip
import sqlite3
import struct
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.audit.model.package_headers import rpm_headers
from holdfast.audit.model.packages import packages_of, unread, upstream
from holdfast.audit.tree import Kind, Node, Tree


def tree_of(files: Mapping[str, str | bytes]) -> Tree:
    tree = Tree()
    for path, text in files.items():
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
    return tree


@pytest.mark.parametrize(
    ("version", "manager", "expected"),
    [
        ("2.75-2", "opkg", "2.75"),
        ("2015-07-27", "opkg", "2015-07-27"),
        ("2015-10-05-813f61e48b9b1a76cb55", "opkg", "2015-10-05"),
        ("1.24.1-r3", "opkg", "1.24.1"),
        ("1:9.2p1-2+deb12u3", "dpkg", "9.2p1"),
        ("3.0.22-1~deb12u1", "dpkg", "3.0.22"),
        ("1:1.2.13.dfsg-1", "dpkg", "1.2.13"),
        ("5.9.3+dfsg-2+deb12u1", "dpkg", "5.9.3"),
        ("4.4.3-P1-2", "dpkg", "4.4.3-P1"),
        ("12.4+deb12u5", "dpkg", "12.4"),
        ("1.36.1-r29", "apk", "1.36.1"),
        ("9.0_p1-r2", "apk", "9.0p1"),
        ("1.2.0_rc3-r0", "apk", "1.2.0rc3"),
        ("2.1_git20230101-r0", "apk", "2.1"),
        ("6.6.73~a21259e4f338051d27a6443a3a7f7f1f-r1", "apk", "6.6.73"),
        ("5.15.150-1-30bd3c1bbb9d2b5e4dd5f3d1a0b5a8d9", "opkg", "5.15.150"),
        ("6.6.73~a21259e4f338051d27a6443a3a7f7f1f-r1", "opkg", "6.6.73"),
        ("8.0", "rpm", "8.0"),
    ],
)
def test_upstream(version: str, manager: str, expected: str) -> None:
    assert upstream(version, manager) == expected


def test_opkg() -> None:
    (package,) = packages_of(
        tree_of(
            {
                "usr/lib/opkg/status": "Package: dnsmasq\nVersion: 2.75-2\n"
                "Status: install user installed\nConffiles:\n /etc/dnsmasq.conf 12\n\n"
                "Package: gone\nVersion: 1\nStatus: deinstall user not-installed\n",
                "usr/lib/opkg/info/dnsmasq.control": "Package: dnsmasq\n"
                "Source: package/network/services/dnsmasq\nLicense: GPL-2.0\n",
                "usr/lib/opkg/info/dnsmasq.list": "/usr/sbin/dnsmasq\t0100755\n/etc/dnsmasq\n",
            }
        )
    )
    assert (package.manager, package.name, package.version) == ("opkg", "dnsmasq", "2.75-2")
    assert (package.source, package.upstream, package.licence) == ("dnsmasq", "2.75", "GPL-2.0")
    assert package.where == "usr/lib/opkg/status:1"
    assert package.files == ("usr/sbin/dnsmasq", "etc/dnsmasq")


def test_dpkg_and_what_its_change_log_says_is_fixed() -> None:
    log = "openssl (3.0.11-1~deb12u2) bookworm; urgency=high\n  * CVE-2023-5363, CVE-2023-5363\n"
    (package,) = packages_of(
        tree_of(
            {
                "var/lib/dpkg/status": "Package: other\nStatus: deinstall ok config-files\n"
                "Version: 1\n\nPackage: libssl3\nStatus: install ok installed\n"
                "Architecture: amd64\nSource: openssl (3.0.11-1)\nVersion: 3.0.11-1~deb12u2\n"
                "Description: a\n long one\n",
                "var/lib/dpkg/info/libssl3:amd64.list": "/.\n/usr\n/usr/lib/libssl.so.3\n",
                "usr/share/doc/libssl3/changelog.Debian.gz": gzip.compress(log.encode()),
            }
        )
    )
    assert (package.name, package.source, package.upstream) == ("libssl3", "openssl", "3.0.11")
    assert package.where == "var/lib/dpkg/status:5"
    assert package.files == ("usr", "usr/lib/libssl.so.3")
    assert package.fixed == ("CVE-2023-5363",)
    assert package.built == "3.0.11-1"


def test_dpkg_without_dpkg() -> None:
    part = "Package: zlib1g\nVersion: 1:1.2.13.dfsg-1\n"
    (package,) = packages_of(tree_of({"var/lib/dpkg/status.d/zlib1g": part}))
    assert (package.name, package.upstream) == ("zlib1g", "1.2.13")


def test_apk() -> None:
    database = (
        "C:Q1x\nP:busybox\nV:1.36.1-r29\no:busybox\nL:GPL-2.0-only\nF:bin\nR:busybox\nF:etc\n"
        "R:securetty\n\nP:ssl_client\nV:1.36.1-r29\no:busybox\nF:\nR:top\n\n"
    )
    packages = packages_of(tree_of({"lib/apk/db/installed": database}))
    assert [package.name for package in packages] == ["busybox", "ssl_client"]
    assert packages[0].files == ("bin/busybox", "etc/securetty")
    assert packages[1].files == ("top",)
    assert packages[0].licence == "GPL-2.0-only"
    assert {package.source for package in packages} == {"busybox"}
    assert packages[1].where == "lib/apk/db/installed:11"


def header(fields: Mapping[int, str], files: Sequence[tuple[str, str]] = ()) -> bytes:
    store, index = b"", []
    for tag, text in fields.items():
        index.append((tag, 6, len(store), 1))
        store += text.encode() + b"\0"
    folders = sorted({folder for folder, _ in files})
    store += bytes(-len(store) % 4)
    index.append((1116, 4, len(store), len(files)))
    store += b"".join(struct.pack(">I", folders.index(folder)) for folder, _ in files)
    for tag, texts in ((1117, [name for _, name in files]), (1118, folders)):
        index.append((tag, 8, len(store), len(texts)))
        store += b"".join(text.encode() + b"\0" for text in texts)
    return (
        struct.pack(">II", len(index), len(store))
        + b"".join(struct.pack(">IIII", *entry) for entry in index)
        + store
    )


OPENSSL = header(
    {
        1000: "openssl-libs",
        1001: "3.0.7",
        1002: "27.el9",
        1014: "ASL 2.0",
        1044: "openssl-3.0.7-27.el9.src.rpm",
    },
    [("/usr/lib64/", "libssl.so.3"), ("/etc/", "ssl.cnf")],
)


def database(*headers: bytes) -> bytes:
    with sqlite3.connect(":memory:") as made:
        made.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)")
        made.executemany("INSERT INTO Packages (blob) VALUES (?)", [(each,) for each in headers])
        made.commit()
        content = made.serialize()
    made.close()
    return content


def ndb(*headers: bytes) -> bytes:
    slots, blobs = b"", b""
    for number, each in enumerate(headers, start=1):
        slots += struct.pack("<4sIII", b"Slot", number, (4096 + len(blobs)) // 16, 1)
        blob = struct.pack("<4sIII", b"BlbS", number, 0, len(each)) + each
        blobs += blob + bytes(-len(blob) % 16)
    head = struct.pack("<4sIII", b"RpmP", 0, 0, 1) + bytes(16)
    return (head + slots).ljust(4096, b"\0") + blobs


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("var/lib/rpm/rpmdb.sqlite", database(OPENSSL, b"\xff" * 40, b"")),
        ("usr/lib/sysimage/rpm/Packages.db", ndb(OPENSSL, b"\xff" * 40)),
    ],
)
def test_rpm(path: str, content: bytes) -> None:
    (package,) = packages_of(tree_of({path: content}))
    assert (package.manager, package.name, package.version) == (
        "rpm",
        "openssl-libs",
        "3.0.7-27.el9",
    )
    assert (package.source, package.upstream, package.licence) == ("openssl", "3.0.7", "ASL 2.0")
    assert package.files == ("usr/lib64/libssl.so.3", "etc/ssl.cnf")
    assert package.where == path


def test_what_cannot_be_read_is_named() -> None:
    tree = tree_of({"var/lib/rpm/Packages": b"\0" * 64})
    assert unread(tree) == ("var/lib/rpm/Packages",)
    assert packages_of(tree) == ()


def test_a_database_that_would_never_end_ends() -> None:
    with sqlite3.connect(":memory:") as made:
        made.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB)")
        made.execute(
            "CREATE VIEW big AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"
            " SELECT x FROM n"
        )
        made.execute("DROP TABLE Packages")
        made.execute("CREATE VIEW Packages AS SELECT x AS blob FROM big")
        made.commit()
        content = made.serialize()
    made.close()
    assert list(rpm_headers(content)) == []


@settings(max_examples=120, deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, 12_000), st.integers(0, 255)), max_size=20),
    form=st.sampled_from([database(OPENSSL), ndb(OPENSSL), OPENSSL]),
    cut=st.integers(0, 14_000),
)
def test_damaged_databases_give_less(changes: list[tuple[int, int]], form: bytes, cut: int) -> None:
    content = bytearray(form)
    for at, value in changes:
        content[at % len(content)] = value
    assert len(list(rpm_headers(bytes(content[:cut])))) <= 1


@settings(max_examples=80, deadline=None)
@given(text=st.text("PVoFR: \n\t/abc.0-", max_size=300))
def test_any_text_is_read(text: str) -> None:
    paths = ("usr/lib/opkg/status", "var/lib/dpkg/status", "lib/apk/db/installed")
    assert len(packages_of(tree_of(dict.fromkeys(paths, text)))) <= 200
