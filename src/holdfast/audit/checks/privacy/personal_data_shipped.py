"""What developers and test people left behind."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from holdfast.audit.checks.privacy._places import content
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="No traces of people are in the image",
    why="Images were published with the WLAN keys, command histories and mail of the people who "
    "built them; with them others got into the makers' networks.",
    fix="Build images from packages in an empty folder, never from a device that was used.",
    recommendation=5,
    severity=Severity.MEDIUM,
    sources=(
        "Article 5.1",
        "Article 1.12",
        "EN 303 645 5.4-3",
        "CRA Annex I part I (2)(g)",
        "GDPR Art. 5.1c",
    ),
)

HISTORY: Final = re.compile(
    r"(?:^|/)\.(?:bash|ash|sh|zsh|python|mysql|psql|sqlite|lua|node_repl)_history$"
    r"|(?:^|/)\.(?:viminfo|lesshst|wget-hsts|recently-used[^/]*)$"
)
NETRC: Final = re.compile(r"(?:^|/)\.(?:netrc|git-credentials|pgpass|my\.cnf|smbcredentials)$")
KNOWN_HOSTS: Final = re.compile(r"(?:^|/)\.ssh/known_hosts$")
GITCONFIG: Final = re.compile(r"(?:^|/)\.gitconfig$")
LOG: Final = re.compile(
    r"(?:^|/)var/log/(?:messages|syslog|auth\.log|secure|kern\.log|daemon\.log|user\.log|mail\.log"
    r"|dnsmasq\.log|wtmp|btmp|lastlog|.*access[^/]*log|journal/.+\.journal)(?:\.\d+)?$"
)
CORE: Final = re.compile(r"(?:^|/)(?:core|core\.\d+|core-[^/]+\.\d+|[^/]+\.core)$")
LEASES: Final = re.compile(r"(?:^|/)(?:dhcpd?|dnsmasq|udhcpd|dhclient[^/]*)\.leases$")
PAIRED: Final = re.compile(r"(?:^|/)var/lib/bluetooth/[0-9A-F:]{17}/[0-9A-F:]{17}/info$")
MAIL: Final = re.compile(rb"(?m)^\s*email\s*=\s*\S+@\S+")
SKELETON: Final = re.compile(r"(?:^|/)(?:etc/skel|usr/share|usr/lib|lib)/")

WLAN: Final[tuple[tuple[re.Pattern[str], re.Pattern[bytes], str], ...]] = (
    (
        re.compile(r"(?:^|/)[^/]*wpa_supplicant[^/]*\.conf$"),
        re.compile(rb"(?m)^[ \t]*(?:psk|wep_key\d|password)[ \t]*=[ \t]*\"?([^\s\"#]{5,})"),
        "key of somebody's WLAN",
    ),
    (
        re.compile(r"(?:^|/)system-connections/[^/]+$"),
        re.compile(rb"(?m)^[ \t]*(?:psk|password)[ \t]*=[ \t]*(\S{5,})"),
        "key of somebody's WLAN",
    ),
    (
        re.compile(r"(?:^|/)[^/]*hostapd[^/]*\.conf$"),
        re.compile(
            rb"(?m)^[ \t]*(?:wpa_passphrase|wpa_psk|wep_key\d)[ \t]*=[ \t]*\"?([^\s\"]{5,})"
        ),
        "WLAN key that every device shares",
    ),
    (
        re.compile(r"(?:^|/)etc/config/wireless$"),
        re.compile(rb"(?m)^[ \t]*option[ \t]+key\d?[ \t]+['\"]?([^\s'\"]{5,})"),
        "WLAN key that every device shares",
    ),
)
PLACEHOLDER: Final = re.compile(
    rb"(?i)<.*>|\$.*|%.*|@.*@|\{\{.*|x{4,}|\*{4,}|your.*|change.?me|password|passphrase|secret.*"
    rb"|example.*|very secret.*|none|null"
)


def run(image: Image) -> Iterator[Finding]:
    """Look for histories, logs, dumps, leases and WLAN keys; what is empty does not count."""
    if image.live:
        raise NotApplicable("a running device holds the data of its owner")
    for path in sorted(image.digests):
        node = image.tree.get(path)
        if node is None or not node.size_bytes or SKELETON.search(path):
            continue
        for form, what, says in TRACES:
            if form.search(path) and says(image, path):
                yield Finding(where=path, what=what)
                break
        else:
            yield from _wlan(image, path)


def _wlan(image: Image, path: str) -> Iterator[Finding]:
    for form, setting, what in WLAN:
        if not form.search(path):
            continue
        whole = content(image, path)
        for match in setting.finditer(whole):
            if not PLACEHOLDER.fullmatch(match[1]):
                line = whole.count(b"\n", 0, match.start(1)) + 1
                yield Finding(where=f"{path}:{line}", what=what)


def _anything(image: Image, path: str) -> bool:
    return any(content(image, path))  # lastlog of a new system is all zeros


def _credentials(image: Image, path: str) -> bool:
    return (
        re.search(rb"(?i)password\s*=?\s*\S|://[^/\s]+:[^/\s]+@|:\S+$", content(image, path))
        is not None
    )


def _mail(image: Image, path: str) -> bool:
    return MAIL.search(content(image, path)) is not None


def _core(image: Image, path: str) -> bool:
    return content(image, path)[:4] == b"\x7fELF" and content(image, path)[16:18] in {
        b"\x04\x00",
        b"\x00\x04",
    }


TRACES: Final[tuple[tuple[re.Pattern[str], str, Callable[[Image, str], bool]], ...]] = (
    (HISTORY, "history of somebody's work", _anything),
    (NETRC, "file with somebody's password for a server", _credentials),
    (KNOWN_HOSTS, "list of the servers somebody used", _anything),
    (GITCONFIG, "mail address of a developer", _mail),
    (LOG, "log of a system that ran", _anything),
    (CORE, "memory of a program that crashed", _core),
    (LEASES, "list of devices in somebody's network", _anything),
    (PAIRED, "key of a paired Bluetooth device", _anything),
)
