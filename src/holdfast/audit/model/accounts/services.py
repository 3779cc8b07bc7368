"""Accounts of single services, in the files that these have for them."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from holdfast.audit.model.accounts import hashes
from holdfast.audit.model.accounts.entries import Entry
from holdfast.audit.model.accounts.hashes import Kept
from holdfast.audit.model.configuration import uci
from holdfast.audit.model.configuration.remote import snmpd
from holdfast.audit.model.configuration.settings import Reading, address
from holdfast.audit.model.shapes import Password
from holdfast.audit.model.startup.system import System

MOST_FILES: Final = 200
MOST_LINES: Final = 5000
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}")
_BUSYBOX_HTTPD = re.compile(r"^/[^:]{0,100}:([^:]{1,64}):(.{0,200})$")
_SMB = re.compile(
    r"^([^:#]{1,64}):\d+:([0-9A-FXN PASWORD]{32}):([0-9A-FXN PASWORD]{32}):\[([^\]]*)\]"
)
_NO_PASSWORD = "NO PASSWORD"  # noqa: S105 - the mark of smbpasswd
_PLACEHOLDER = re.compile(r"[<${%*]|^(?:x+|\.+|changeme_?)$|^\[|your[-_ ]?|example", re.IGNORECASE)
_TEMPLATES = re.compile(r"(?:^|/)(?:usr/share/doc|examples?|samples?)/")
_OF_SERVERS: Final = re.compile(r"(?:^|/)(?:lighttpd|nginx|apache2?|httpd)[\w/.-]*\.conf$")
_USER_FILE: Final = re.compile(
    r"(?:auth\.backend\.\w+\.userfile\s*=|auth_basic_user_file|AuthUserFile)\s*"
    r"[\"']?(/[\w./-]{1,200})"
)
MOST_SETTINGS_BYTES: Final = 256 * 1024


def read(system: System) -> Iterator[Entry]:
    """Give the accounts of services."""
    for pattern, reader in _READERS:
        count = 0
        for node in system.files.tree.files():
            if pattern.search(node.path) and not _TEMPLATES.search(node.path):
                text = system.files.text(node.path)
                count += 1
                if text is not None and not (
                    reader is _snmp and _asked_by_itself_only(system, node.path, text)
                ):
                    yield from reader(node.path, text)
                if count >= MOST_FILES:
                    break
    yield from _named_by_servers(system)


def _named_by_servers(system: System) -> Iterator[Entry]:
    """Read the lists of users that the settings of web servers name, also copies of start-up."""
    seen: set[str] = set()
    for node in system.files.tree.files():
        if _OF_SERVERS.search(node.path) and node.size_bytes <= MOST_SETTINGS_BYTES:
            for match in _USER_FILE.finditer(system.files.text(node.path) or ""):
                place = system.files.place(match[1])
                text = system.files.text(place)
                if text is not None and place not in seen and len(seen) < MOST_FILES:
                    seen.add(place)
                    yield from _htpasswd(place, text)


def is_placeholder(text: str) -> bool:
    """Tell whether a value stands for one that somebody is to fill in."""
    return _PLACEHOLDER.search(text) is not None


def _lines(path: str, text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines()[:MOST_LINES], start=1):
        plain = line.strip()
        if plain and plain[0] not in "#;":
            yield plain, f"{path}:{number}"


def _htpasswd(path: str, text: str) -> Iterator[Entry]:
    for line, where in _lines(path, text):
        user, colon, value = line.partition(":")
        if not colon or not _USER.fullmatch(user):
            continue
        realm, second, digest = value.partition(":")
        is_digest = bool(second) and re.fullmatch(r"[0-9a-f]{32}", digest) and realm[:1] != "$"
        kept = (
            Kept(password=Password.HASHED, scheme="md5", salt="", secret=f"digest:{digest}")
            if is_digest
            else _field_or_value(value)
        )
        yield Entry(name=user, where=where, service="web", kept=kept)


def _field_or_value(value: str) -> Kept:
    """Read what may be of crypt(), or the password itself."""
    kept = hashes.of_field(value)
    return kept if kept.scheme == "des" else hashes.of_value(value)


def _httpd_conf(path: str, text: str) -> Iterator[Entry]:
    for line, where in _lines(path, text):
        match = _BUSYBOX_HTTPD.match(line)
        if match is None or not _USER.fullmatch(match[1]):
            continue
        if match[2] == "*":  # the password of the system
            continue
        yield Entry(name=match[1], where=where, service="web", kept=_field_or_value(match[2]))


def _smbpasswd(path: str, text: str) -> Iterator[Entry]:
    for line, where in _lines(path, text):
        match = _SMB.match(line)
        if match is None:
            continue
        kept = Kept(password=Password.HASHED, scheme="ntlm", salt="empty", secret=match[3])
        if match[3].startswith(_NO_PASSWORD) or "N" in match[4]:
            kept = hashes.EMPTY
        elif "D" in match[4] or set(match[3]) == {"X"}:
            kept = hashes.LOCKED
        yield Entry(
            name=match[1], where=where, service="smb", kept=kept,
            login=kept.password is not Password.LOCKED,
        )  # fmt: skip


def _ppp(path: str, text: str) -> Iterator[Entry]:
    for line, where in _lines(path, text):
        words = [word.strip("\"'") for word in line.split()]
        if len(words) < 3 or words[2] in {"*", ""} or is_placeholder(words[2]):  # noqa: PLR2004
            continue
        name = words[0] if words[0] != "*" else "any"
        kept = Kept(password=Password.PLAIN, scheme="plain", secret=words[2])
        yield Entry(name=name, where=where, service="ppp", kept=kept)


def _asked_by_itself_only(system: System, path: str, text: str) -> bool:
    """Tell whether an SNMP agent answers this system alone, so that its communities open nothing.

    Addresses on its command line count instead of those in the file.
    """
    files = system.files
    ends = snmpd(Reading(path, text, files.text, files.glob)).endpoints
    named = any(
        ":" in word or "." in word
        for launch in system.graph.launches.values()
        if launch.name.startswith("snmpd")
        for word in launch.arguments
        if word[:1] not in {"-", "/", "."} and not word.endswith(".conf")
    )
    return bool(ends) and all(end.address == "loopback" for end in ends) and not named


def _snmp(path: str, text: str) -> Iterator[Entry]:
    for line, where in _lines(path, text):
        words = line.split()
        keyword = words[0].lower()
        place = {"rocommunity": 1, "rwcommunity": 1, "rocommunity6": 1, "rwcommunity6": 1,
                 "com2sec": 3, "com2sec6": 3}.get(keyword)  # fmt: skip
        if place is None or len(words) <= place or is_placeholder(words[place]):
            continue
        source = words[place + 1] if keyword.startswith("r") and len(words) > place + 1 else ""
        if address(source if keyword.startswith("r") else words[2]) == "loopback":
            continue  # taken from this system alone
        kept = Kept(password=Password.PLAIN, scheme="plain", secret=words[place])
        yield Entry(name=keyword, where=where, service="snmp", kept=kept)


def _uci(path: str, text: str) -> Iterator[Entry]:
    for section in uci.parse(text):
        for user_option, password_option in (("username", "password"), ("user", "password")):
            if password_option not in section.options or user_option not in section.options:
                continue
            value = section.get(password_option)
            if value.startswith("$p$") or is_placeholder(value.removeprefix("$")[:1]):
                break  # the password of the system
            service = "web" if path.endswith(("rpcd", "luci", "uhttpd")) else "vendor"
            yield Entry(
                name=section.get(user_option), service=service,
                where=f"{path}:{section.lines[password_option]}", kept=hashes.of_value(value),
            )  # fmt: skip
            break


def _vsftpd(path: str, text: str) -> Iterator[Entry]:
    """Read the list of virtual users: name and password in turn."""
    lines = list(_lines(path, text))
    for (name, _), (password, where) in zip(lines[::2], lines[1::2], strict=False):
        if _USER.fullmatch(name):
            yield Entry(name=name, where=where, service="ftp", kept=hashes.of_value(password))


_READERS: Final[tuple[tuple[re.Pattern[str], Callable[[str, str], Iterator[Entry]]], ...]] = (
    (re.compile(r"(?:^|/)(?:\.?ht(?:passwd|digest)[\w.-]*|[\w.-]+\.htpasswd|"
                r"lighttpd(?:-plain|-htdigest|-htpasswd)?\.(?:user|passwd)|"
                r"\.?passwd\.(?:web|http))$"), _htpasswd),
    (re.compile(r"(?:^|/)httpd\.conf$"), _httpd_conf),
    (re.compile(r"(?:^|/)smbpasswd[\w.-]*$"), _smbpasswd),
    (re.compile(r"(?:^|/)(?:chap|pap|srp|l2tp)-secrets[\w.-]*$"), _ppp),
    (re.compile(r"(?:^|/)snmpd?(?:\.local)?\.conf[\w.-]*$"), _snmp),
    (re.compile(r"^etc/config/(?:rpcd|luci|uhttpd|samba4?|vsftpd|pure-ftpd|ttyd)$"), _uci),
    (re.compile(r"(?:^|/)vsftpd[\w/-]*(?:virtual_?users|login)\.(?:txt|list)$"), _vsftpd),
)  # fmt: skip
