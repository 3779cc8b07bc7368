"""What a careful human found in three published images, each as a question to a report.

The images themselves are not part of the project: they are looked for in `FOLDER` beside it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from holdfast.audit.model.shapes import Password, Started
from holdfast.audit.report.shapes import Report
from holdfast.cli.bench.questions import (
    RUNS,
    account,
    checked,
    components,
    fails,
    has,
    holds,
    is_link,
    is_there,
    listed,
    listeners,
    no_canary,
    root_is,
    serves_as_root,
    starts,
    unhardened,
    unsigned,
)

FOLDER: Final = Path("../shared/data/firmware")
VULNERABILITIES: Final = Path("../shared/data/vulnerabilities")

Row = Literal[
    "kernel", "libraries", "file system", "start-up", "remote access", "accounts", "web server",
    "UPnP-IGD", "other software", "update signing", "hardening", "known exploited", "trap",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that is so.

    Attributes:
        row: Of the table in the README beside the images.
        what: In words.
        found: Whether a report says it.
        needs_data: Whether it can only be told with vulnerability data.
    """

    row: Row
    what: str
    found: Callable[[Report], bool]
    needs_data: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An image, and what is in it.

    Attributes:
        name: Of the product.
        file: In `FOLDER`.
        sha256: Of that file.
        facts: What is in it.
        components: Name and version of software, for a comparison with other tools.
    """

    name: str
    file: str
    sha256: str
    facts: tuple[Fact, ...]
    components: tuple[tuple[str, str], ...]

    @property
    def path(self) -> Path:
        """Where it lies if it is there, seen from the root of the project."""
        return FOLDER / self.file


def _no_gcc(report: Report) -> bool:
    return not [one for one in report.model.components if one.name == "gcc"]


def _no_samba(report: Report) -> bool:
    return not components(report, "samba") and not listeners(report, "smb")


_TRAPS: Final = (
    Fact(row="trap", what="a note of the compiler is no component", found=_no_gcc),
    Fact(row="trap", what="a vendor's pppd is not Samba", found=_no_samba),
    Fact(
        row="trap",
        what="certificates of public authorities are no keys",
        found=lambda report: holds(report, "key-private-absent"),
    ),
)

# --- the three images -------------------------------------------------------------------------


def _alphanetworks(report: Report) -> bool:
    telnet = listeners(report, "telnet")
    user = account(report, "Alphanetworks", "telnet")
    return (
        any("fixed-user=yes" in one.options and one.started in RUNS for one in telnet)
        and user is not None
        and user.password is Password.PLAIN
    )


def _empty_admin(report: Report) -> bool:
    admin = account(report, "admin", "vendor")
    return (
        admin is not None
        and admin.password is Password.EMPTY
        and admin.where.startswith("etc/defnodes/defaultvalue.xml")
        and fails(report, "password-not-empty", "etc/defnodes/defaultvalue.xml")
    )


def _igd_pages(report: Report) -> bool:
    findings = checked(report, "upnp-igd-absent").findings
    named = {(finding.where, finding.what.rpartition(":")[2]) for finding in findings}
    return {
        ("etc/defnodes/S90upnpigd.php", "1"),
        ("etc/defnodes/S91upnpigd2.php", "2"),
    } <= named


_D_LINK = Known(
    name="D-Link DIR-300 B5 2.15",
    file="dlink-dir300b5-2.15.bin",
    sha256="36c427ab89f09cd192047542b1a697ea6b6cba61ff8d98c1ca8f970af68e670c",
    components=(
        ("linux", "2.6.33.2"),
        ("busybox", "1.14.1"),
        ("uclibc", "0.9.30.1"),
        ("dnsmasq", "2.45"),
        ("hostapd", "0.5.11"),
    ),
    facts=(
        Fact(
            row="kernel",
            what="Linux 2.6.33.2",
            found=lambda report: report.model.kernel.version == "2.6.33.2",
        ),
        Fact(row="libraries", what="BusyBox 1.14.1", found=has("busybox", "1.14.1")),
        Fact(row="libraries", what="uClibc 0.9.30.1", found=has("uclibc", "0.9.30.1")),
        Fact(
            row="file system",
            what="squashfs 4 with the vendor's LZMA",
            found=root_is("squashfs 4.0 lzma"),
        ),
        Fact(
            row="start-up",
            what="rcS of init.d and of init0.d",
            found=starts("etc/init.d/rcS", "etc/init0.d/rcS"),
        ),
        Fact(
            row="remote access",
            what="Telnet with the user Alphanetworks and a fixed password",
            found=_alphanetworks,
        ),
        Fact(
            row="remote access",
            what="it is a published backdoor",
            found=lambda report: fails(
                report, "backdoor-published-absent", "etc/init0.d/S80telnetd.sh"
            ),
        ),
        Fact(row="accounts", what="admin with an empty password", found=_empty_admin),
        Fact(
            row="web server",
            what="the vendor's httpd, as root",
            found=serves_as_root("http", "sbin/httpd", 80),
        ),
        Fact(row="web server", what="HNAP", found=lambda report: is_there(report, "htdocs/HNAP1")),
        Fact(row="UPnP-IGD", what="descriptions of IGD 1 and 2", found=_igd_pages),
        Fact(
            row="other software",
            what="hostapd 0.5",
            found=lambda report: any(
                one.version.startswith("0.5") for one in components(report, "hostapd")
            ),
        ),
        Fact(row="other software", what="dnsmasq 2.45", found=has("dnsmasq", "2.45")),
        Fact(row="update signing", what="none", found=unsigned),
        Fact(
            row="hardening",
            what="no program has a stack that cannot be executed",
            found=unhardened((0, "a stack that cannot be executed")),
        ),
        Fact(
            row="hardening",
            what="no listener guards its stack",
            found=lambda report: no_canary(report, ("sbin/httpd", "usr/sbin/dnsmasq")),
        ),
        Fact(
            row="known exploited",
            what="the model is listed with CVE-2011-4723",
            found=lambda report: (
                "CVE-2011-4723" in listed(report) and fails(report, "product-known-exploited")
            ),
            needs_data=True,
        ),
        *_TRAPS,
    ),
)


def _vendor_process(report: Report) -> bool:
    """One process that starts most of what listens."""
    started = [one for one in report.model.listeners if one.started in RUNS]
    steps = report.model.start_up.steps
    by_cos = [one for one in started if any(steps[n].program == "usr/bin/cos" for n in one.steps)]
    return len(by_cos) > len(started) / 2


def _passwd_bak(report: Report) -> bool:
    admin = account(report, "admin")
    return (
        admin is not None
        and (admin.where, admin.uid) == ("etc/passwd.bak:1", 0)
        and (admin.scheme, admin.salt) == ("md5crypt", "empty")
        and bool(admin.guessed)
        and fails(report, "password-not-default", "etc/passwd.bak")
        and fails(report, "password-salted", "etc/passwd.bak")
    )


def _passwd_leads_out(report: Report) -> bool:
    read = [one for one in report.model.accounts if one.service == "system"]
    return is_link(report, "etc/passwd", "/var/passwd") and all(
        one.where.startswith("etc/passwd.bak") for one in read
    )


def _upnpd(report: Report) -> bool:
    return any(
        one.program == "usr/bin/upnpd" and one.started in RUNS
        for one in listeners(report, "upnp-igd")
    ) and fails(report, "upnp-igd-absent", "usr/bin/upnpd")


_TP_LINK = Known(
    name="TP-Link TL-WR841N v14",
    file="tplink-wr841nv14-eu.bin",
    sha256="dbf1254b431b4dbf00fe2f1d45bf4815db27f7e34fac52779db04064dff1e99f",
    components=(
        ("linux", "2.6.36"),
        ("busybox", "1.19.2"),
        ("uclibc", "0.9.33.2"),
        ("dropbear", "2012.55"),
        ("libupnp", "1.6.19"),
        ("openssl", "0.9.8zh"),
        ("ppp", "2.4.5"),
        ("xl2tpd", "1.1.12"),
    ),
    facts=(
        Fact(
            row="kernel",
            what="Linux 2.6.36",
            found=lambda report: report.model.kernel.version == "2.6.36",
        ),
        Fact(row="libraries", what="BusyBox 1.19.2", found=has("busybox", "1.19.2")),
        Fact(row="libraries", what="uClibc 0.9.33.2", found=has("uclibc", "0.9.33.2")),
        Fact(row="file system", what="squashfs 4, xz", found=root_is("squashfs 4.0 xz")),
        Fact(
            row="start-up",
            what="inittab and rcS",
            found=starts("etc/inittab:1", "etc/init.d/rcS"),
        ),
        Fact(row="start-up", what="one big process of the vendor", found=_vendor_process),
        Fact(row="remote access", what="dropbear 2012.55", found=has("dropbear", "2012.55")),
        Fact(
            row="remote access",
            what="a library of the vendor knows telnetd",
            found=lambda report: any(
                place.startswith("lib/libcutil.so") and "telnetd" in place
                for place in report.model.start_up.unresolved
            ),
        ),
        Fact(
            row="accounts",
            what="admin in passwd.bak: root, MD5 without salt, guessed",
            found=_passwd_bak,
        ),
        Fact(row="accounts", what="passwd leads out of the image", found=_passwd_leads_out),
        Fact(
            row="web server",
            what="the vendor's httpd, as root",
            found=serves_as_root("http", "usr/bin/httpd", 80),
        ),
        Fact(row="UPnP-IGD", what="upnpd serves it", found=_upnpd),
        Fact(row="UPnP-IGD", what="libupnp 1.6.19", found=has("libupnp", "1.6.19")),
        Fact(
            row="other software",
            what="OpenSSL 0.9.8zh, linked into libgdpr.so",
            found=lambda report: any(
                one.version == "0.9.8zh" and one.copied
                for one in components(report, "openssl")
                if one.where[0].startswith("lib/libgdpr.so")
            ),
        ),
        Fact(
            row="other software",
            what="xl2tpd",
            found=lambda report: bool(components(report, "xl2tpd")),
        ),
        Fact(row="other software", what="pppd 2.4.5", found=has("ppp", "2.4.5")),
        Fact(row="update signing", what="none", found=unsigned),
        Fact(
            row="hardening",
            what="one program has a stack that cannot be executed, few have the rest",
            found=unhardened((1, "a stack that cannot be executed"), (5, "read-only relocations")),
        ),
        Fact(
            row="known exploited",
            what="the list names versions 8 and 10 only, so this one must not match",
            found=lambda report: (
                "CVE-2023-33538" not in listed(report)
                and not checked(report, "product-known-exploited").findings
            ),
            needs_data=True,
        ),
        *_TRAPS,
    ),
)


def _empty_root(report: Report) -> bool:
    root = account(report, "root")
    return (
        root is not None
        and root.password is Password.EMPTY
        and fails(report, "password-not-empty", "etc/shadow:1")
    )


def _uhttpd(report: Report) -> bool:
    return any(
        (one.program, one.port, one.user, one.address) == ("usr/sbin/uhttpd", 80, "root", "")
        and one.started is Started.BOOT
        for one in listeners(report, "http")
    ) and fails(report, "web-server-unprivileged")


def _root_by_ssh(report: Report) -> bool:
    return any(
        {"root-login=yes", "password-login=yes"} <= set(one.options) and one.started is Started.BOOT
        for one in listeners(report, "ssh")
    ) and fails(report, "root-login-restricted")


def _usign(report: Report) -> bool:
    keys = [one for one in report.model.keys if one.kind == "usign-public-key"]
    places = {place for one in keys for place in one.where}
    return {"etc/opkg/keys/af22f7a88858c8e9", "etc/opkg/keys/bb88c6fb4f521cde"} <= places and all(
        one.purpose == "update-verify" for one in keys
    )


_OPENWRT = Known(
    name="OpenWrt r47364 for WRT350N v2",
    file="openwrt-r47364-wrt350nv2-sysupgrade.img",
    sha256="7168f86ba61c66eadce538702f04523182a3989baa12b506cf4804457833d73a",
    components=(
        ("linux", "3.18.23"),
        ("busybox", "1.24.1"),
        ("musl", "1.1.11"),
        ("dropbear", "2015.68"),
        ("dnsmasq", "2.75"),
        ("hostapd", "2.5"),
        ("lua", "5.1.5"),
    ),
    facts=(
        Fact(
            row="kernel",
            what="Linux 3.18.23",
            found=lambda report: report.model.kernel.version == "3.18.23",
        ),
        Fact(row="libraries", what="BusyBox 1.24.1", found=has("busybox", "1.24.1")),
        Fact(
            row="libraries",
            what="musl",
            found=lambda report: bool(components(report, "musl")),
        ),
        Fact(row="file system", what="squashfs 4, xz", found=root_is("squashfs 4.0 xz")),
        Fact(
            row="start-up",
            what="procd with dropbear and uhttpd at S50",
            found=lambda report: (
                report.model.start_up.init == "procd"
                and starts("etc/rc.d/S50dropbear", "etc/rc.d/S50uhttpd")(report)
            ),
        ),
        Fact(row="remote access", what="dropbear 2015.68", found=has("dropbear", "2015.68")),
        Fact(row="remote access", what="root logs in by SSH with a password", found=_root_by_ssh),
        Fact(row="accounts", what="root with an empty password", found=_empty_root),
        Fact(row="web server", what="uhttpd on every address, as root", found=_uhttpd),
        Fact(
            row="UPnP-IGD",
            what="none",
            found=lambda report: (
                not listeners(report, "upnp-igd")
                and holds(report, "upnp-igd-absent")
                and holds(report, "upnp-igd-off")
            ),
        ),
        Fact(row="other software", what="dnsmasq 2.75", found=has("dnsmasq", "2.75")),
        Fact(row="other software", what="hostapd 2.5", found=has("hostapd", "2.5")),
        Fact(row="other software", what="Lua 5.1.5", found=has("lua", "5.1.5")),
        Fact(row="update signing", what="public keys of usign", found=_usign),
        Fact(
            row="hardening",
            what="stacks cannot be executed, relocations stay writable",
            found=lambda report: (
                unhardened((0, "read-only relocations"))(report)
                and not unhardened((67, "a stack that cannot be executed"))(report)
            ),
        ),
        Fact(
            row="hardening",
            what="no listener guards its stack",
            found=lambda report: no_canary(report, ("usr/sbin/uhttpd", "usr/sbin/dropbear")),
        ),
        Fact(
            row="trap",
            what="the hash in musl's self-test is nobody's password",
            found=lambda report: holds(report, "password-not-in-program"),
        ),
        *_TRAPS,
    ),
)

EVERY: Final = (_D_LINK, _TP_LINK, _OPENWRT)
