"""Takes passwords out of command lines and conditions before anybody sees them."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

HIDDEN: Final = "***"
_NAME = (
    r"[\w.-]{0,40}?(?:passw(?:or)?d|passphrase|passwort|pwd|secret|token|psk|community|user-pw"
    r"|(?:wep|api|auth|access|private)[_-]?key)"
    r"\w{0,20}"
)
_NAMED = re.compile(rf"(?i)^(-{{0,2}}{_NAME}|-{{0,2}}pass|-{{1,2}}key)$")
_OPTION = r"(?:[\w-]{1,40}\.[\w@\[\]-]{1,40}\.)?"
"""`wireless.@wifi-iface[0].` before the name of an option of OpenWrt."""
_ASSIGNED = re.compile(rf"(?i)^((?:-{{1,2}})?{_OPTION}(?:{_NAME}|pass|key))([=:])(.+)$", re.DOTALL)
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]{1,20}://[^/\s:@]{0,60}):[^/\s@]{1,100}@")
_PAIR = re.compile(r"^([^:/]{0,40}):(.+)$", re.DOTALL)
_COMPARED = re.compile(
    rf"(?i)(\$\{{?(?:{_NAME}|pass)\}}?[\"']?\s{{0,4}}(?:!=|==?|:)\s{{0,4}})([\"']?)[^\s\"'\];]{{1,200}}"
)
_SET = re.compile(rf"(?i)\b((?:{_NAME}|pass)=)([\"']?)[^\s\"';&|)$]{{1,200}}")
_LOGIN = re.compile(r"(telnetd\b[^\n;|&]{0,160}?\s-u\s{0,4}[\"']?[^\s:\"']{1,40}:)[^\s;|&]{1,200}")
_HEADER = re.compile(
    r"(?i)\b((?:proxy-)?authorization|cookie|x-[\w-]{0,30}?(?:key|token|auth|secret)[\w-]{0,20})"
    r"(\s{0,4}:\s{0,4})[^\n]+"
)
_MEMBER = re.compile(
    rf"(?i)([\"'](?:{_NAME}|pass)[\"']\s{{0,4}}:\s{{0,4}})([\"'])[^\"'\n]{{1,200}}\2"
)
_HASH = re.compile(r"\$(?:1|2[abxy]?|5|6|7|y|gy|apr1|md5|sha1)\$[^\s:\"']{8,200}")
_OF_GROUPS: Final = frozenset(
    {"start-stop-daemon", "chpst", "supervise-daemon", "chown", "install", "chroot", "su-exec",
     "gosu", "setuidgid", "s6-setuidgid", "docker", "systemd-run", "ujail"}
)  # fmt: skip
"""Programs that take `user:group`, not `user:password`."""
_SWITCHES: Final = {
    "-p": {"sshpass", "mysql", "mysqladmin", "mysqldump", "mariadb", "ftpget", "ftpput",
           "ncftpget", "ncftpput", "useradd", "usermod", "7z", "7za", "7zr", "curlftpfs"},
    "-P": {"mosquitto", "mosquitto_pub", "mosquitto_sub", "zip", "unzip", "ipmitool"},
    "-k": {"openssl"},
    "-K": {"openssl"},
    "-w": {"ldapsearch", "ldapmodify", "ldapadd", "ldapdelete"},
    "-a": {"redis-cli"},
    "-c": {"snmpget", "snmpset", "snmpwalk", "snmptrap"},
    "-N": {"ssh-keygen"},
    "-Y": {"dropbear"},
    "key": {"iwconfig"},
}  # fmt: skip
"""What is followed by a secret, and in which programs."""
_JOINED: Final = frozenset({"-p", "-P", "-k"})
"""Switches whose secret may follow without a space."""
_SWITCHED: Final = tuple(
    re.compile(
        rf"(\b(?:{'|'.join(sorted(programs))})\b[^\n;|&]{{0,160}}?\s{switch}"
        rf"\s{{{0 if switch in _JOINED else 1},4}})[^\s;|&)]{{1,200}}"
    )
    for switch, programs in _SWITCHES.items()
)
_PASSPHRASE: Final = re.compile(r"(\bwpa_passphrase\s{1,4}\S{1,80}\s{1,4})[^\s;|&)]{1,200}")
_LAST: Final = frozenset({"wpa_passphrase", "mkpasswd", "cryptpw", "vncpasswd", "smbpasswd"})
"""Programs whose last argument is a secret; so it is of `htpasswd -b` and `openssl passwd`."""
_USER_JOINED: Final = ("telnetd", "curl")
"""Programs that take `-uUSER:PASSWORD`."""
_BEFORE_PROGRAM = 4
"""So many words may stand before the program: `busybox`, `nice -n 5`."""
_SECRET_VARIABLE = re.compile(rf"(?i)^(?:{_NAME}|pass)$")
_LEAST = 4
_MOST_TEXT = 2000
_MOST_WORDS = 200
"""Far more than is ever shown; what a hostile script adds to it costs time only."""


def is_secret_name(name: str) -> bool:
    """Tell whether a variable of this name holds a password or the like."""
    return _SECRET_VARIABLE.match(name) is not None


def is_secret_value(text: str) -> bool:
    """Tell whether a value of such a variable may be one: no path, switch or number."""
    plain = text.isdecimal() or text.lower() in {"true", "false", "none", "null", "disabled"}
    return len(text) >= _LEAST and not plain and "/" not in text


def masked(words: Sequence[str], known: Iterable[str] = ()) -> str:
    """Write a command line without its secrets.

    Args:
        words: Program and arguments.
        known: Texts that are secrets wherever they stand.
    """
    words = [word[:_MOST_TEXT] for word in words[:_MOST_WORDS]]
    program = words[0].rpartition("/")[2] if words else ""
    programs = {word.rpartition("/")[2] for word in words[:_BEFORE_PROGRAM]}
    last = _secret_last(words, programs)
    shown: list[str] = []
    hide = False
    for number, word in enumerate(words):
        before = words[number - 1] if number else ""
        if (hide and not word.startswith("-")) or number == last > 0:
            shown.append(HIDDEN)
            hide = False
            continue
        switch = word[:2] if word[:2] in _JOINED else word
        told = number > 0 and not programs.isdisjoint(_SWITCHES.get(switch, ()))
        hide = number > 0 and (_NAMED.match(word) is not None or (told and word == switch))
        if told and word != switch and len(switch) == len("-p"):
            shown.append(f"{switch}{HIDDEN}")
        else:
            shown.append(_one(word, before, program) if number else word)
    text = " ".join(shown)
    for secret in known:
        text = text.replace(secret, HIDDEN)
    return text


def _secret_last(words: Sequence[str], programs: set[str]) -> int:
    """Find the place of the argument that is a secret by its place; 0 if none is."""
    last = len(words) - 1
    if not programs.isdisjoint(_LAST):
        least = 2 if "wpa_passphrase" in programs else 1
    elif "htpasswd" in programs:
        if not any(word.startswith("-") and "b" in word for word in words):
            return 0
        least = 3
    elif "openssl" in programs and "passwd" in words:
        least = 2
    else:
        return 0
    return last if last >= least and not words[last].startswith("-") else 0


def _one(word: str, before: str, program: str) -> str:
    if (separator := _after_user(word, before, program)) and separator in word:
        return f"{word.partition(separator)[0]}{separator}{HIDDEN}"
    if (match := _ASSIGNED.match(word)) is not None:
        return f"{match[1]}{match[2]}{HIDDEN}"
    return masked_text(word) if len(word) > _LEAST else word


def _after_user(word: str, before: str, program: str) -> str:
    """Tell what stands between a user and a password in this word; nothing if it holds neither."""
    if before == "-U":
        return "%"
    if program == "lftp" and before == "-u":
        return ","
    if word.startswith("pass:") or (word.startswith("-u") and program.endswith(_USER_JOINED)):
        return ":"
    pair = before in {"-u", "--user"} and _PAIR.match(word) is not None
    if program not in _OF_GROUPS and (pair or word.startswith("--user=")):
        return ":"
    return ""


def masked_text(text: str) -> str:
    """Take secrets out of a piece of source."""
    text = text[:_MOST_TEXT]
    text = _ADDRESS.sub(rf"\1:{HIDDEN}@", text)
    text = _HASH.sub(HIDDEN, text)
    text = _HEADER.sub(rf"\1\2{HIDDEN}", text)
    text = _MEMBER.sub(rf"\1\2{HIDDEN}\2", text)
    for switched in (*_SWITCHED, _PASSPHRASE):
        text = switched.sub(rf"\1{HIDDEN}", text)
    text = _LOGIN.sub(rf"\1{HIDDEN}", text)
    text = _COMPARED.sub(rf"\1\2{HIDDEN}", text)
    return _SET.sub(rf"\1\2{HIDDEN}", text)
