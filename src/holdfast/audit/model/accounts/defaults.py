"""Accounts in the factory settings of vendors: XML, INI, NVRAM lists, JSON, form fields.

A name that speaks of a password is not enough: settings hold passwords of providers, mail servers
and networks as well, mostly empty. An account is what names a user beside it, or what names the
door that it opens (web, login, admin, telnet ...), and does not name something else.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from holdfast.audit.model.accounts import hashes
from holdfast.audit.model.accounts.entries import Entry
from holdfast.audit.model.accounts.services import is_placeholder
from holdfast.audit.model.configuration import uci
from holdfast.audit.model.shapes import Password
from holdfast.audit.model.startup.system import System

MOST_FILES: Final = 400
MOST_CHARACTERS: Final = 512 * 1024
MOST_SETTINGS: Final = 20_000
MOST_ACCOUNTS: Final = 60
MOST_DEEP: Final = 64
_FILE = re.compile(
    r"\.(?:xml|ini|cfg|json|dflt|default|defaults|def|dat|nvram|props|properties|rc)$"
    r"|(?:^|/)[\w.-]*(?:default|nvram|factory|romfile|usrcfg|config)[\w.-]*$"
    r"|(?:^|/)etc/config/(?!(?:rpcd|luci|uhttpd|samba4?|vsftpd|pure-ftpd|ttyd|network|wireless)$)[\w.-]+$",
    re.IGNORECASE,
)
_PAGE = re.compile(r"\.(?:html?|asp|php|cgi|shtml|lua|ejs|tpl)$", re.IGNORECASE)
_ELSEWHERE = re.compile(
    r"(?:^|/)(?:usr/share/(?!.*(?:default|config))|usr/lib/|lib/modules|etc/ssl|etc/systemd|"
    r"etc/init\.d|etc/rc\.d|usr/include|proc|sys|etc/opkg|etc/apt|etc/dpkg|var/lib|etc/pam)"
)
_TRANSLATION = re.compile(
    r"(?:^|[/_.-])(?:lang(?:uage)?s?|i18n|l10n|locales?|translations?|nls|lc_messages)(?:[/_.-]|$)"
    r"|(?:^|/)(?:ar|bg|cs|cn|da|de|el|en|es|et|fa|fi|fr|gb|he|hi|hr|hu|it|ja|jp|ko|kr|lt|lv|nb|nl|nn|"
    r"pl|pt|ro|ru|sk|sl|sr|sv|th|tr|tw|uk|vi|zh)(?:[_-](?:[a-z]{2}|han[st]|latn|cyrl)){0,2}"
    r"\.(?:json|xml|ini|properties|dat)$",
    re.IGNORECASE,
)
"""Files of the texts that a page shows, one for each language."""
_WORDS_FOR_PASSWORD = re.compile(
    r"(?i)pass(?:wor[dt]|phrase|code)?|pwd|kennwort|contrase[nñ]a|mot de passe|parola|senha|"
    r"palavra|heslo|has[lł]o|wachtwoord|l[oö]senord|adgangskode|salasana|jelsz[oó]|[şs]ifre|парол|"
    r"密[码碼]|パスワード|암호|비밀번호"
)
_PASSWORD = re.compile(
    r"(?P<before>.*?)(?P<word>pass(?:w(?:or)?d|wort|phrase)?|pwd|pswd|passwds|(?<![a-z])pw)(?P<after>[._-]?\d*)$",
    re.IGNORECASE,
)
_USER_WORDS: Final = (
    "username", "user_name", "user", "usr", "name", "login", "login_name", "loginname", "account",
    "userid", "user_id", "id", "uname", "usrname",
)  # fmt: skip
_DOOR = re.compile(
    r"(?i)account|admin|login|http|web|www|gui|mgmt|manage|telnet|ssh|console|sys_?(?:user|pass)"
    r"|(?:^|[_.:/-])(?:root|super|support|guest|user\d?|users|cli|sys|sysuser|suser|operator|local|"
    r"superuser|supervisor|ftp|usb)"
)
_OTHER = re.compile(
    r"ppp|l2tp|pptp|ddns|dyndns|smtp|mail|proxy|radius|wireless|wlan|wifi|cert|ipsec|voip|mqtt|"
    r"cloud|modem|snmp|cwmp|tr_?069|management_?server|connection_?request|upgrade|hint|length|"
    r"strength|policy|expire|enable|changed|retry|encrypt|method|bonjour|xmpp|stun|openvpn|ipv6|"
    r"remember|autocomplete|hotspot|captive|iptv|rtmp|"
    r"(?<![a-z])(?:wan|wep|wpa2?|wps|psk|ntp|key|tls|ssl|sip|vpn|apn|3g|4g|lte|sim|pin|isp|acs|dsl|"
    r"gre|min|max|type|dns|nat|qos|show)(?![a-z])"
)
_HUMP = re.compile(r"([a-z0-9])([A-Z])")
_LOGINS = re.compile(
    r"(?i)^(?:admin\w*|root|user\d?|support|guest|super\w*|operator|tech\w*|service|default|system|"
    r"ftp|anonymous|telnet\w*|cusadmin|engineer|debug|viewer|supervisor|manager|sysadm\w*)$"
)
_INPUT = re.compile(r"<input\b[^<>]{0,300}>", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    r"([\w:.-]{1,40})\s{0,3}=\s{0,3}(?:\"([^\"<>]{0,200})\"|'([^'<>]{0,200})'|([^\s\"'<>]{1,200}))"
)
_TAG = re.compile(r"<(/?)([A-Za-z_][\w:.-]{0,80})((?:\s[^<>]{0,600})?/?)>([^<]{0,300})")
_UCI = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*config\s+['\"]?[\w-]+")
_PAIR = re.compile(r"^\s*(?:set\s+|export\s+)?[\"']?([\w.:/\[\]-]{1,120})[\"']?\s*[=:]\s*(.*)$")
_LONGEST_VALUE = 200
_VALUES = ("value", "val", "v", "default")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setting:
    """One value.

    Attributes:
        group: What it stands in; settings of one group belong together.
        context: Names of the groups around it.
        name: Its own name.
        value: Its value.
        line: Where it stands.
    """

    group: int
    context: str
    name: str
    value: str
    line: int


def read(system: System) -> Iterator[Entry]:
    """Give the accounts in the factory settings."""
    count = 0
    for node in system.files.tree.files():
        if node.size_bytes > MOST_CHARACTERS or _ELSEWHERE.search(node.path):
            continue
        if _TRANSLATION.search(node.path):
            continue
        page = _PAGE.search(node.path) is not None
        if not page and not _FILE.search(node.path):
            continue
        count += 1
        if count > MOST_FILES * (10 if page else 1):
            return
        text = system.files.text(node.path)
        if text is not None and re.search(r"(?i)pass|pwd|pswd|_pw\b", text):
            reader = _of_page if page else _of_settings
            yield from list(reader(node.path, text))[:MOST_ACCOUNTS]


def _of_settings(path: str, text: str) -> Iterator[Entry]:
    start = text.lstrip()[:1]
    if start == "<":
        settings = _xml(text)
    elif start in {"{", "["} and not re.match(r"\s*\[[\w .-]+\]\s*\n", text):
        settings = _json(text)
    elif _UCI.match(text):
        settings = _uci(text)
    else:
        settings = _pairs(text)
    groups: dict[int, list[_Setting]] = {}
    for count, setting in enumerate(settings):
        if count >= MOST_SETTINGS:
            break
        groups.setdefault(setting.group, []).append(setting)
    for group in groups.values():
        yield from _accounts(path, group)


def _accounts(path: str, group: list[_Setting]) -> Iterator[Entry]:
    """Find the passwords of one group, and the users beside them."""
    by_name: dict[str, _Setting] = {}
    for setting in group:
        by_name.setdefault(setting.name.lower(), setting)
    for setting in group:
        match = _PASSWORD.match(setting.name)
        if match is None:
            continue
        around = f"{setting.context}/{setting.name}"
        if _OTHER.search(_HUMP.sub(r"\1_\2", around).lower()) or is_placeholder(setting.value):
            continue
        name = _user(match, by_name)
        if _is_label(setting, name):
            continue
        door = _DOOR.search(around) is not None
        kept = hashes.of_value(setting.value)
        if not name:
            # Without a user the name itself must say whose it is, and a value must be there.
            if not door or kept.password is Password.EMPTY:
                continue
            name = match["before"].strip("_.-") or "admin"
        elif not (
            _LOGINS.match(name)
            or (door and kept.password is not Password.EMPTY)
            or _is_one_of_several(match["before"], kept.password, by_name)
        ) or (kept.password is Password.EMPTY and not (door or "user" in around.lower())):
            continue
        yield Entry(name=name, where=f"{path}:{setting.line}", service=_service(around), kept=kept)


def _is_one_of_several(before: str, password: Password, by_name: dict[str, _Setting]) -> bool:
    """Tell whether `maker_user` and `maker_Password` stand beside `admin_Password`."""
    stem = before.lower().rstrip("_.-")
    if not stem or password is Password.EMPTY:
        return False
    return any(
        _LOGINS.match(other["before"].rstrip("_.-")) is not None
        for name, setting in by_name.items()
        if setting.value and (other := _PASSWORD.match(name)) is not None
    )


def _user(match: re.Match[str], by_name: dict[str, _Setting]) -> str:
    """Find the user that belongs to a password by the likeness of the names."""
    before, after = match["before"].lower(), match["after"].lower()
    plain = before.rstrip("_.-")
    stems = {before, plain, re.sub(r"(?:user|login|admin)$", "", plain).rstrip("_.-")}
    for stem in sorted(stems, key=len, reverse=True):
        for word in _USER_WORDS:
            for joint in ("", "_", ".", "-"):
                found = by_name.get(f"{stem}{joint if stem else ''}{word}{after}")
                if found is not None and found.value and not is_placeholder(found.value):
                    return found.value[:64]
    return ""


def _is_label(setting: _Setting, user: str) -> bool:
    """Tell whether a value is only a word for its key, as pages show it: `Password:`.

    `password` itself is a password that products have; a label is written as one, with a capital,
    blanks or letters of other languages, or stands beside a user that is a label too.
    """
    if _WORDS_FOR_PASSWORD.search(setting.value) is None:
        return False
    text = setting.value.strip(" :*")
    if any(letter.isdigit() for letter in text):
        return False
    if " " in text or not text.isascii():
        return True
    if not text.isalpha():
        return False
    named = user.strip(" :*").lower()
    if text[0].isupper() and _WORDS_FOR_PASSWORD.fullmatch(text):
        return not _LOGINS.match(user) or named in {"user", "default"}
    return setting.name.lower() == text.lower() and named in _USER_WORDS


def _service(around: str) -> str:
    text = around.lower()
    for word, service in (("telnet", "telnet"), ("ssh", "ssh"), ("ftp", "ftp"), ("samba", "smb"),
                          ("http", "web"), ("web", "web"), ("gui", "web")):  # fmt: skip
        if word in text:
            return service
    return "vendor"


def _xml(text: str) -> Iterator[_Setting]:
    """Go through tags, closed or not: vendors' XML is often not well-formed."""
    stack: list[tuple[str, int]] = [("", 0)]
    groups = 0
    line, counted = 1, 0
    for match in _TAG.finditer(text):
        line += text.count("\n", counted, match.start())
        counted = match.start()
        closing, name, attributes, after = match.groups()
        empty = attributes.endswith("/")
        attributes = attributes.removesuffix("/")
        if closing:
            if len(stack) > 1 and stack[-1][0] == name:
                stack.pop()
            continue
        context = "/".join(part for part, _ in stack[-4:])
        values = {
            found[1].lower(): found[2] or found[3] or found[4] or ""
            for found in _ATTRIBUTE.finditer(attributes)
        }
        group = stack[-1][1]
        own = values.get("name") or values.get("id")
        given = next(
            (values[key] for key in ("value", "val", "v", "default") if key in values), None
        )
        if given is not None:
            yield _Setting(
                group=group,
                context=context,
                name=own or name,
                value=given[:_LONGEST_VALUE],
                line=line,
            )
        elif values:
            groups += 1
            for key, value in values.items():
                yield _Setting(group=groups, context=f"{context}/{name}", name=key,
                               value=value, line=line)  # fmt: skip
        closes = text.startswith(f"</{name}>", match.end())
        if closes or (empty and not attributes.strip()):
            yield _Setting(group=group, context=context, name=name, value=after.strip(), line=line)
        if not empty and len(stack) < MOST_DEEP:
            groups += 1
            stack.append((name, groups))


def _json(text: str) -> Iterator[_Setting]:
    """Go through keys and brackets; nothing is built, so nothing can be nested too deep."""
    groups = [0]
    names = [""]
    fresh, line, counted, key = 0, 1, 0, ""
    for match in re.finditer(
        r'"((?:[^"\\\n]|\\.){0,200})"\s*(:?)|[{}\[\]]|(?<=:)\s*([\w.-]+)', text
    ):
        line += text.count("\n", counted, match.start())
        counted = match.start()
        token = match[0]
        if token in {"{", "["}:
            fresh += 1
            if len(groups) < MOST_DEEP:
                groups.append(fresh)
                names.append(key or names[-1])
        elif token in {"}", "]"}:
            if len(groups) > 1:
                groups.pop()
                names.pop()
        elif match[2]:
            key = match[1]
            continue
        elif key:
            value = match[1] if match[1] is not None else (match[3] or "")
            yield _Setting(
                group=groups[-1], context="/".join(names[-3:]), name=key, value=value, line=line
            )
        key = "" if token not in {"{", "["} else key


def _uci(text: str) -> Iterator[_Setting]:
    """Go through the options of OpenWrt's sections."""
    for group, section in enumerate(uci.parse(text)):
        for name, values in section.options.items():
            yield _Setting(
                group=group, context=section.name, name=name,
                value=values[-1][:_LONGEST_VALUE], line=section.lines[name],
            )  # fmt: skip


def _pairs(text: str) -> Iterator[_Setting]:
    """Go through `name=value` lines with their sections; lists of NVRAM may end lines with NUL."""
    group, context = 0, ""
    for number, line in enumerate(re.split(r"[\n\0]", text), start=1):
        plain = line.strip()
        if plain.startswith("[") and plain.endswith("]"):
            group += 1
            context = plain.strip("[]")
        elif plain and plain[0] not in "#;/" and (match := _PAIR.match(plain[:500])) is not None:
            value = match[2].strip().rstrip(",;").strip("\"'")
            yield _Setting(
                group=group,
                context=context,
                name=match[1],
                value=value[:_LONGEST_VALUE],
                line=number,
            )


def _of_page(path: str, text: str) -> Iterator[Entry]:
    """Look for form fields that come with a password filled in."""
    for match in _INPUT.finditer(text):
        values = {
            found[1].lower(): found[2] or found[3] or found[4] or ""
            for found in _ATTRIBUTE.finditer(match[0])
        }
        value = values.get("value", "")
        if values.get("type", "").lower() != "password" or not re.fullmatch(
            r"[\w.@!#-]{3,40}", value
        ):
            continue
        name = values.get("name") or values.get("id") or ""
        if (
            name
            and not _OTHER.search(_HUMP.sub(r"\1_\2", name).lower())
            and _DOOR.search(f"{path}/{name}")
        ):
            line = text.count("\n", 0, match.start()) + 1
            yield Entry(
                name=name, where=f"{path}:{line}", service="web", kept=hashes.of_value(value)
            )
