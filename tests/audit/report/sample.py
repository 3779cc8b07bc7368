"""A report as rich as that of a real router, for everything that shows, keeps or compares one."""
# ruff: noqa: S604 - `shell` is a field here

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from holdfast.audit.model.shapes import (
    Account,
    Component,
    Kernel,
    Listener,
    Model,
    Password,
    PlacedKey,
    Started,
    StartUp,
    Step,
    UpdatePath,
)
from holdfast.audit.report.shapes import (
    Checked,
    FileEntry,
    LimitHit,
    Opened,
    Placed,
    Report,
    Subject,
    Unopened,
    Volume,
)
from holdfast.audit.verdicts import Recommendation, Severity, Verdict, Waived
from holdfast.audit.vulnerabilities.shapes import DataAge, Match

MADE = datetime(2026, 11, 22, 17, 4, 5, tzinfo=UTC)
CHAIN = ("image@0x0", "uImage@0x40", "lzma@0x80", "squashfs 4.0 xz little-endian@0x1a0000")
HOSTILE = (
    "</script><script>document.title='taken'</script>",
    "<img src=x onerror=alert(1)>",
    "\x1b[31mred\x1b]0;title\x07",
    "photo\u202egpj.exe",
    "\u2066\u2067isolated\u2069",
    "line\nbreak\ttab\rreturn",
    "quote\" and ' and `",
    "{{ 7*7 }}{% raw %}",
    "nul\0byte",
    "\udc80\udcff not text",
    "z\u0301" * 200,
    "x" * 10_000,
    "",
    "=HYPERLINK(1)",
    "[bold red]markup[/]",
)
"""Names that an image may hold and no output may fall for."""


def places() -> list[Step]:
    """The start-up of the sample: kernel, init, scripts, programs."""
    rows: list[tuple[Any, ...]] = [
        ("kernel", "boot/vmlinux", "Linux 2.6.36", "", "", Started.BOOT, ""),
        ("init", "sbin/init", "/sbin/init", "bin/busybox", "root", Started.BOOT, ""),
        ("script", "etc/inittab:1", "/etc/init.d/rcS", "bin/busybox", "", Started.BOOT, ""),
        ("script", "etc/init.d/rcS:12", "S20network", "bin/busybox", "", Started.BOOT, ""),
        ("script", "etc/init.d/rcS:12", "S50web", "bin/busybox", "", Started.BOOT, ""),
        ("script", "etc/init.d/rcS:12", "S80telnetd.sh", "bin/busybox", "", Started.BOOT, ""),
        ("command", "etc/init.d/S20network:8", "udhcpc -i eth1 -s /etc/udhcpc.sh", "bin/busybox",
         "", Started.BOOT, ""),
        ("command", "etc/init.d/S20network:14", "dnsmasq -C /etc/dnsmasq.conf",
         "usr/sbin/dnsmasq", "nobody", Started.BOOT, ""),
        ("command", "etc/init.d/S50web:6", "httpd -f /var/run/httpd.conf", "usr/sbin/httpd", "",
         Started.BOOT, ""),
        ("command", "etc/init.d/S50web:11", "upnpd -c /var/upnpd.conf", "usr/sbin/upnpd", "",
         Started.BOOT, ""),
        ("command", "etc/init.d/S80telnetd.sh:9", "telnetd -l /usr/sbin/login -u *** -i br0",
         "bin/busybox", "", Started.MAYBE, '[ "$image_sign" != "" ]'),
        ("unit", "etc/init.d/rcS:12", "S60dropbear", "usr/sbin/dropbear", "", Started.STARTABLE,
         "only if dropbear_enable=1 in the settings"),
        ("cron", "etc/crontabs/root:2", "/usr/sbin/checkfw.sh", "usr/sbin/checkfw.sh", "root",
         Started.DEMAND, ""),
        ("binary", "usr/sbin/httpd", "cgibin", "htdocs/cgibin", "", Started.DEMAND, ""),
    ]  # fmt: skip
    return [
        Step(id=number, kind=kind, where=where, text=text, program=program, user=user,
             started=started, condition=condition)
        for number, (kind, where, text, program, user, started, condition) in enumerate(rows)
    ]  # fmt: skip


EDGES = ((0, 1), (1, 2), (2, 3), (2, 4), (2, 5), (3, 6), (3, 7), (4, 8), (4, 9), (5, 10), (2, 11),
         (1, 12), (8, 13))  # fmt: skip


def listeners() -> tuple[Listener, ...]:
    """What waits on the network."""
    return (
        Listener(service="telnet", program="bin/busybox", where="etc/init.d/S80telnetd.sh:9",
                 port=23, started=Started.MAYBE, steps=(0, 1, 2, 5, 10),
                 options=("login=/usr/sbin/login",)),
        Listener(service="http", program="usr/sbin/httpd", where="etc/init.d/S50web:6", port=80,
                 started=Started.BOOT, steps=(0, 1, 2, 4, 8)),
        Listener(service="upnp-igd", program="usr/sbin/upnpd", where="etc/init.d/S50web:11",
                 protocol="udp", port=1900, address="lan", started=Started.BOOT,
                 steps=(0, 1, 2, 4, 9)),
        Listener(service="dns", program="usr/sbin/dnsmasq", where="etc/dnsmasq.conf:3",
                 protocol="udp", port=53, address="lan", started=Started.BOOT, user="nobody",
                 user_why="config", confinement=("chroot",), steps=(0, 1, 2, 3, 7)),
        Listener(service="ssh", program="usr/sbin/dropbear", where="etc/init.d/S60dropbear:4",
                 port=22, started=Started.STARTABLE, steps=(11,), options=("root-login=yes",)),
    )  # fmt: skip


def accounts() -> tuple[Account, ...]:
    """Who can log in."""
    return (
        Account(name="root", where="etc/passwd.bak:1", uid=0, shell="/bin/sh",
                password=Password.HASHED, scheme="md5crypt", rounds=1000, salt="empty",
                guessed="common"),
        Account(name="admin", where="etc/defaultvalue.xml:411", service="web",
                password=Password.EMPTY),
        Account(name="Alphanetworks", where="etc/init.d/S80telnetd.sh:9", service="telnet",
                password=Password.PLAIN, scheme="plain"),
        Account(name="nobody", where="etc/passwd.bak:2", uid=65534, shell="/bin/false",
                login=False, password=Password.LOCKED),
    )  # fmt: skip


def components() -> tuple[Component, ...]:
    """What others publish and this image holds."""
    return (
        Component(name="linux", version="2.6.36", purl="pkg:generic/linux@2.6.36",
                  cpe="cpe:2.3:o:linux:linux_kernel:2.6.36:*:*:*:*:*:*:*", where=("boot/vmlinux",),
                  how="kernel", confidence=1.0, evidence="Linux version 2.6.36 (gcc 4.3.3)",
                  started=Started.BOOT),
        Component(name="busybox", version="1.19.2", purl="pkg:generic/busybox@1.19.2",
                  cpe="cpe:2.3:a:busybox:busybox:1.19.2:*:*:*:*:*:*:*",
                  where=("bin/busybox@0x4f210",), confidence=0.95,
                  evidence="BusyBox v1.19.2 (2023-11-10)", started=Started.BOOT, listening=True,
                  licence="GPL-2.0-only"),
        Component(name="dropbear", version="2012.55", purl="pkg:generic/dropbear@2012.55",
                  cpe="cpe:2.3:a:dropbear_ssh_project:dropbear_ssh:2012.55:*:*:*:*:*:*:*",
                  where=("usr/sbin/dropbear@0x2a10",), confidence=0.95,
                  evidence="SSH-2.0-dropbear_2012.55", started=Started.STARTABLE, listening=True),
        Component(name="dnsmasq", version="2.45", purl="pkg:generic/dnsmasq@2.45",
                  cpe="cpe:2.3:a:thekelleys:dnsmasq:2.45:*:*:*:*:*:*:*",
                  where=("usr/sbin/dnsmasq@0x11c80",), confidence=0.95, evidence="dnsmasq-2.45",
                  started=Started.BOOT, listening=True, licence="GPL-2.0-only OR GPL-3.0-only"),
        Component(name="openssl", version="0.9.8zh", purl="pkg:generic/openssl@0.9.8zh",
                  cpe="cpe:2.3:a:openssl:openssl:0.9.8zh:*:*:*:*:*:*:*",
                  where=("usr/lib/libgdpr.so@0x8c400",), confidence=0.9, copied=True,
                  evidence="OpenSSL 0.9.8zh 3 Dec 2015", started=Started.BOOT),
        Component(name="uclibc", version="0.9.33.2", purl="pkg:generic/uclibc@0.9.33.2",
                  where=("lib/libuClibc-0.9.33.2.so",), how="soname", confidence=0.8,
                  started=Started.BOOT),
        Component(name="vendor-web", version="", where=("usr/sbin/httpd",), how="file",
                  confidence=0.3, started=Started.BOOT, listening=True),
    )  # fmt: skip


def keys() -> tuple[PlacedKey, ...]:
    """Keys and certificates."""
    return (
        PlacedKey(kind="private-key", where=("etc/stunnel.key",), algorithm="rsa", bits=1024,
                  fingerprint="ab" * 32, purpose="tls-server", known="little black box"),
        PlacedKey(kind="certificate", where=("etc/stunnel.crt",), algorithm="rsa", bits=1024,
                  fingerprint="ab" * 32, subject="CN=router.example,O=Acme",
                  issuer="CN=router.example",
                  not_after=1420070400, signature="sha1", purpose="tls-server"),
        PlacedKey(kind="certificate", where=("etc/ssl/ca.crt@0x0", "etc/ssl/ca.crt@0x5a1"),
                  algorithm="rsa", bits=2048, fingerprint="cd" * 32, subject="CN=Public Root CA",
                  issuer="CN=Public Root CA", not_after=1893456000, authority=True,
                  signature="sha256", purpose="ca-bundle"),
    )  # fmt: skip


def model() -> Model:
    """All that is known of the sample's root."""
    return Model(
        start_up=StartUp(init="busybox-init", steps=tuple(places()), edges=EDGES,
                         unresolved=("etc/init.d/S20network:20 brctl",)),
        accounts=accounts(),
        listeners=listeners(),
        components=components(),
        kernel=Kernel(version="2.6.36", where=("boot/vmlinux",), banner="Linux version 2.6.36",
                      built="2023-11-10", modules=("ip_tables", "usbcore", "rt2860v2_ap")),
        keys=keys(),
        updates=UpdatePath(tools=("vendor:fwupgrade usr/sbin/fwupgrade",),
                           urls=("etc/fw.conf:2 http://fw.example/latest",),
                           automatic=("etc/crontabs/root:2",)),
    )  # fmt: skip


WAIVED = Waived(
    reason="Replaced with the next board", who="Ada Example, product security",
    until=date(2027, 3, 31), kind="mitigated",
)  # fmt: skip


def _check(
    rule: str,
    recommendation: Recommendation,
    title: str,
    severity: Severity,
    verdict: Verdict,
    *findings: Placed,
    reason: str = "",
    rows: tuple[str, ...] = (),
) -> Checked:
    return Checked(
        rule=rule, recommendation=recommendation, title=title, severity=severity, verdict=verdict,
        reason=reason, findings=findings, rows=rows,
    )  # fmt: skip


def found(number: int, where: str, what: str, severity: Severity, **more: Any) -> Placed:  # noqa: ANN401 - any field
    """One finding with an id of its own."""
    return Placed(
        id=f"{number:016x}", where=where, what=what, severity=severity, chain=CHAIN, **more
    )


def checks() -> tuple[Checked, ...]:
    """What the checks decided: every verdict and severity is there."""
    high, medium = Severity.HIGH, Severity.MEDIUM
    return (
        _check("telnet-off", 1, "Telnet is off as shipped", high, Verdict.FAIL,
               found(1, "etc/init.d/S80telnetd.sh:9", "starts telnetd with a fixed user name", high,
                     evidence=("etc/inittab:1 starts /etc/init.d/rcS",
                               "etc/init.d/rcS:12 starts S80telnetd.sh",
                               'only if [ "$image_sign" != "" ]')),
               rows=("R1.4", "EN-5.6-1", "CRA-I.1.2j")),
        _check("backdoor-published-absent", 1, "No published backdoor is in the image",
               Severity.CRITICAL, Verdict.FAIL,
               found(2, "etc/init.d/S80telnetd.sh:9", "holds the published user Alphanetworks",
                     Severity.CRITICAL, offset=0x1C4, evidence=("CVE-2013-10069",)),
               rows=("R1.1", "EN-5.1-1")),
        _check("web-server-unprivileged", 1, "The management pages never run as root", high,
               Verdict.FAIL,
               found(3, "etc/init.d/S50web:6", "nothing says that httpd gives up root", high,
                     evidence=("no User line in /var/run/httpd.conf",)), rows=("R1.9",)),
        _check("upnp-igd-off", 1, "UPnP-IGD is off", high, Verdict.FAIL,
               found(4, "etc/init.d/S50web:11", "starts upnpd, which offers WANIPConnection", high,
                     waived=WAIVED),
               found(5, "etc/upnp/igd.xml:30", "describes an Internet gateway device", medium)),
        _check("ssh-off", 1, "SSH is off as shipped", medium, Verdict.PASS,
               found(6, "etc/init.d/S60dropbear:4", "can be switched on in the settings",
                     Severity.INFO)),
        _check("programs-hardened", 1, "Programs are built with the usual protections", medium,
               Verdict.FAIL, *(
                   found(100 + n, f"usr/sbin/prog{n:02}", "no PIE, no stack protection",
                         Severity.LOW) for n in range(23))),
        _check("startup-unchanged", 1, "Start-up is that of the last approved image", medium,
               Verdict.NOT_APPLICABLE, reason="no report of an approved build was given"),
        _check("vulnerability-exploited", 1, "No vulnerability that is being exploited",
               Severity.CRITICAL, Verdict.FAIL,
               found(7, "usr/sbin/dnsmasq", "dnsmasq 2.45 has CVE-2017-14491, exploited since "
                     "2023-04-11", Severity.CRITICAL)),
        _check("password-not-default", 2, "No password is on a list of common ones",
               Severity.CRITICAL, Verdict.FAIL,
               found(8, "etc/passwd.bak:1", "the password of root is on the list of common ones",
                     Severity.CRITICAL)),
        _check("password-not-empty", 2, "No account has an empty password", Severity.CRITICAL,
               Verdict.FAIL,
               found(9, "etc/defaultvalue.xml:411", "admin (web) has an empty password",
                     Severity.CRITICAL)),
        _check("password-hash-strong", 2, "Passwords are kept with a slow, salted hash", medium,
               Verdict.FAIL, found(10, "etc/passwd.bak:1", "md5crypt with an empty salt", medium)),
        _check("update-verified", 3, "Updates are signed and the signature is checked", high,
               Verdict.UNDECIDED, reason="usr/sbin/fwupgrade is not a known installer"),
        _check("update-over-tls", 3, "Updates are fetched over TLS", medium, Verdict.FAIL,
               found(11, "etc/fw.conf:2", "looks for updates over plain HTTP", medium)),
        _check("security-contact", 4, "A security contact is in the image", Severity.LOW,
               Verdict.FAIL, found(12, "", "no security.txt, no contact in the pages",
                                   Severity.LOW)),
        _check("logs-without-people", 5, "Logs name no persons", Severity.LOW, Verdict.PASS),
        _check("storage-encrypted", 5, "Personal data is encrypted at rest", medium,
               Verdict.UNDECIDED, reason="nothing tells where personal data is kept"),
    )  # fmt: skip


def matches() -> tuple[Match, ...]:
    """Vulnerabilities in every state."""
    return (
        Match(cve="CVE-2017-14491", component="dnsmasq 2.45", where="usr/sbin/dnsmasq@0x11c80",
              title="Heap overflow in DNS replies", because="nvd thekelleys dnsmasq < 2.78",
              fixed_in="2.78", kev="2023-04-11", epss=0.94, cvss=9.8,
              vector="CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", reach="listening"),
        Match(cve="CVE-2016-7406", component="dropbear 2012.55", where="usr/sbin/dropbear@0x2a10",
              title="Format string in user names", because="nvd dropbear < 2016.74",
              fixed_in="2016.74", epss=0.21, cvss=9.8, reach="startable"),
        Match(cve="CVE-2021-42373", component="busybox 1.19.2", where="bin/busybox@0x4f210",
              title="Null pointer in man", because="nvd busybox 1.33.0 to 1.33.1", cvss=5.5,
              epss=0.001, state="undecided", reason="the range has no lower end"),
        Match(cve="CVE-2016-5195", component="linux 2.6.36", where="boot/vmlinux",
              title="Dirty COW", because="linux-streams < 4.8.3", kev="2022-03-03", epss=0.88,
              cvss=7.0, reach="boot"),
        Match(cve="CVE-2013-1763", component="linux 2.6.36", where="boot/vmlinux",
              title="Array index in sock_diag", because="linux-streams < 3.8", cvss=7.8,
              state="not-built", reason="CONFIG_INET_DIAG is not set"),
        Match(cve="CVE-2016-0800", component="openssl 0.9.8zh", where="usr/lib/libgdpr.so@0x8c400",
              title="DROWN", because="nvd openssl < 1.0.1s", cvss=5.9, epss=0.9,
              reach="present", waived=WAIVED),
        Match(cve="CVE-2015-3197", component="openssl 0.9.8zh", where="usr/lib/libgdpr.so@0x8c400",
              title="SSLv2 ciphers", because="debian", state="fixed",
              reason="the package says so", cvss=5.9),
    )  # fmt: skip


def opened() -> Opened:
    """What was opened, and what was not."""
    return Opened(
        complete=False,
        volumes=(
            Volume(name="", format="squashfs 4.0 xz little-endian", chain=CHAIN, files=1169,
                   size_bytes=9_530_112, root=True),
            Volume(name="jffs2@0x3c0000", format="jffs2 little-endian",
                   chain=("image@0x0", "jffs2@0x3c0000"), files=12, size_bytes=40_200),
        ),
        unopened=(
            Unopened(where="image@0x0", offset=0x3E0000, size_bytes=131_072, entropy=7.99,
                     why="no known format; compressed or encrypted"),
        ),
        limits=(LimitHit(limit="depth", most=10.0, where="usr/share/nested.tar"),),
        walls_missing=("Landlock is not in this kernel",),
    )  # fmt: skip


def sample(**changes: Any) -> Report:  # noqa: ANN401 - any field
    """The whole report, with other fields where told."""
    report = Report(
        made=MADE,
        holdfast="0.1.0",
        rules="7d" * 32,
        subject=Subject(name="acme-router-2.15.bin", kind="image", sha256="36" * 32,
                        size_bytes=3_641_484, product="acme-router"),
        outcome="fail",
        opened=opened(),
        model=model(),
        others={},
        checks=checks(),
        vulnerabilities=matches(),
        vulnerability_data=(
            DataAge(source="nvd", entries=121, published=datetime(2024, 10, 24, tzinfo=UTC),
                    imported=MADE),
            DataAge(source="kev", entries=1404, published=datetime(2025, 8, 25, tzinfo=UTC),
                    imported=MADE),
        ),
        files=(
            FileEntry(path="bin/busybox", kind="file", mode="4755", owner="0:0", sha256="11" * 32),
            FileEntry(path="etc/inittab", kind="file", mode="644", owner="0:0", sha256="22" * 32),
            FileEntry(path="etc/passwd", kind="link", mode="777", owner="0:0",
                      target="/var/passwd"),
            FileEntry(path="usr/sbin/dnsmasq", kind="file", mode="755", owner="0:0",
                      sha256="44" * 32),
        ),
        seconds={"opening": 1.2, "facts": 0.8, "model": 0.1, "checks": 0.3},
        cached=(812, 1040),
        notes=(
            "The waiver of smb-off at ** by Ada covers nothing here: remove it or correct it.",
        ),
    )  # fmt: skip
    return replace(report, **changes)


def fine() -> Report:
    """A report in which everything passes."""
    passing = tuple(
        replace(each, verdict=Verdict.PASS, reason="", findings=()) for each in checks()
    )
    return sample(
        outcome="pass",
        checks=passing,
        vulnerabilities=(),
        opened=Opened(complete=True, volumes=opened().volumes[:1]),
        notes=(),
    )


def hostile() -> Report:
    """A report whose every name was chosen by an enemy."""
    steps = tuple(
        Step(id=number, kind="command", where=name, text=name, program=name, user=name[:50],
             condition=name)
        for number, name in enumerate(HOSTILE)
    )  # fmt: skip
    return sample(
        subject=Subject(name=HOSTILE[0] + HOSTILE[3], kind="image", sha256="36" * 32, size_bytes=1),
        model=replace(
            model(),
            start_up=StartUp(init=HOSTILE[1], steps=steps,
                             edges=((0, 1), (1, 2), (2, 0), (3, 3), (0, 14))),
            listeners=tuple(
                Listener(service=name, program=name, where=name, user=name, steps=(0,),
                         options=(name,)) for name in HOSTILE),
            accounts=tuple(Account(name=name, where=name, shell=name) for name in HOSTILE),
            components=tuple(
                Component(name=name, version=name, purl=f"pkg:generic/x@{number}", where=(name,),
                          cpe=name, licence=name, evidence=name)
                for number, name in enumerate(HOSTILE)),
            keys=tuple(
                PlacedKey(kind="certificate", where=(name,), subject=name, issuer=name,
                          not_after=10**15) for name in HOSTILE),
        ),
        checks=tuple(
            replace(check, title=name, reason=name, findings=(
                *check.findings,
                found(900 + number, name, name, Severity.HIGH, evidence=(name,))))
            for number, (check, name) in enumerate(zip(checks(), HOSTILE, strict=False))
        ),
        vulnerabilities=tuple(
            Match(cve=name or "CVE-2020-0001", component=name, where=name, title=name,
                  because=name, fixed_in=name, reason=name) for name in HOSTILE),
        opened=replace(
            opened(),
            volumes=tuple(
                Volume(name=name, format=name, chain=(name, name), files=1, size_bytes=1)
                for name in HOSTILE),
            unopened=tuple(
                Unopened(where=name, offset=0, size_bytes=1, entropy=8.0, why=name)
                for name in HOSTILE),
        ),
        files=tuple(
            FileEntry(path=name, kind="file", mode="644", owner="0:0") for name in HOSTILE
        ),
        notes=HOSTILE,
    )  # fmt: skip
