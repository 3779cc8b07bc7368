"""Looks through programs that only start others: nohup, su, start-stop-daemon, chroot ..."""

import re
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Final

MOST_WRAPPED: Final = 8
SHELLS: Final = frozenset({"sh", "ash", "bash", "dash", "ksh", "zsh", "hush", "mksh", "busybox-sh"})


LANGUAGES: Final = re.compile(
    r"(?:python|perl|ruby|php|php-cgi|lua|luajit|node|nodejs|tclsh|micropython)[\d.]*"
)
"""Interpreters of other languages, by name."""


@dataclass(slots=True)
class Command:
    """What is really started.

    Attributes:
        words: Program and arguments; empty if nothing is started.
        user: Account that a wrapper chose.
        walls: What wrappers confine it with.
        code: Shell source instead of a program, for `sh -c`.
    """

    words: list[str]
    user: str = ""
    walls: list[str] = field(default_factory=list)
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefix:
    """How a wrapper takes its arguments before the command.

    Attributes:
        valued: Letters of options that take a value.
        long: Long options that take a value, without `--`.
        skip: How many words stand between options and command.
        user: Letter, long option or place (`1`) that names the account.
        wall: What it confines with.
    """

    valued: str = ""
    long: tuple[str, ...] = ()
    skip: int = 0
    user: tuple[str, ...] = ()
    wall: str = ""


_PREFIXES: Final[dict[str, Prefix]] = {
    **dict.fromkeys(
        ("nohup", "setsid", "time", "command", "builtin", "busybox", "toybox", "fghack",
         "pgrphack", "tini", "dumb-init", "start_daemon", "respawn", "xargs", "unshare",
         "eatmydata", "logwrapper", "catchsegv", "cttyhack", "-"),
        Prefix(valued="In"),
    ),
    "nice": Prefix(valued="n", long=("adjustment",)),
    "ionice": Prefix(valued="cnpPu", long=("class", "classdata")),
    "chrt": Prefix(valued="TPD", skip=1),
    "taskset": Prefix(skip=1),
    "timeout": Prefix(valued="kst", long=("signal", "kill-after"), skip=1),
    "stdbuf": Prefix(valued="ioe"),
    "openvt": Prefix(valued="c"),
    "flock": Prefix(valued="wE", skip=1),
    "softlimit": Prefix(valued="acdflmoprst"),
    "strace": Prefix(valued="oepsEu"),
    "daemonize": Prefix(valued="cepEol", user=("u",)),
    "daemon": Prefix(valued="rnFPlX", long=("name", "pidfile", "output"), user=("user", "u")),
    "startproc": Prefix(valued="fpltTn", user=("u",)),
    "setuidgid": Prefix(skip=1, user=("1",)),
    "s6-setuidgid": Prefix(skip=1, user=("1",)),
    "envuidgid": Prefix(skip=1),
    "su-exec": Prefix(skip=1, user=("1",)),
    "gosu": Prefix(skip=1, user=("1",)),
    "chpst": Prefix(valued="Ue/nlLmdofcrtC", user=("u",)),
    "sudo": Prefix(valued="ghpCcrtT", user=("u", "user")),
    "doas": Prefix(valued="C", user=("u",)),
    "setpriv": Prefix(
        long=("regid", "groups", "inh-caps", "bounding-set", "ambient-caps"), user=("reuid",)
    ),
    "chroot": Prefix(long=("groups",), skip=1, user=("userspec",), wall="chroot"),
    "firejail": Prefix(wall="firejail"),
    "bwrap": Prefix(long=("bind", "ro-bind", "dev-bind", "symlink"), wall="bubblewrap"),
    "minijail0": Prefix(valued="gcbSknPCTf", user=("u",), wall="minijail"),
    "ujail": Prefix(valued="dCShtrwuUGn", user=("U",), wall="ujail"),
    "aa-exec": Prefix(valued="pni", long=("profile",), wall="apparmor"),
    "capsh": Prefix(user=("user",), wall="capabilities"),
}  # fmt: skip
_DAEMON_VALUED = {
    "a": "startas", "x": "exec", "c": "chuid", "r": "chroot", "p": "pidfile", "n": "name",
    "u": "user", "g": "group", "d": "chdir", "N": "nicelevel", "k": "umask", "s": "signal",
    "R": "retry", "e": "env", "I": "iosched", "P": "procsched", "1": "stdout", "2": "stderr",
    "w": "wait", "O": "output",
}  # fmt: skip
_DAEMON_FLAGS = frozenset("mbqvtoiCSKTBEV")


def unwrap(words: list[str], *, openrc: bool = False) -> Command:
    """Find what a command line really starts.

    Args:
        words: Program and arguments.
        openrc: Whether start-stop-daemon is that of OpenRC, where `-u` changes the account.
    """
    command = Command(list(words))
    for _ in range(MOST_WRAPPED):
        name = command.words[0].rpartition("/")[2] if command.words else ""
        step = _step(name, command.words, openrc=openrc)
        if step is None:
            break
        command = replace(step, user=step.user or command.user, walls=[*command.walls, *step.walls])
        if command.code is not None or not command.words:
            break
    return command


def without_options(words: list[str], valued: str) -> list[str]:
    """Give what stands behind the options; `valued` are the letters that take a value."""
    return _options(words, valued, ())[1]


def _step(name: str, words: list[str], *, openrc: bool) -> Command | None:
    if name in {"start-stop-daemon", "supervise-daemon"}:
        return _start_stop_daemon(words, openrc=openrc or name == "supervise-daemon")
    if name in {"su", "runuser"}:
        return _su(words)
    if name == "env":
        return _env(words)
    if name in SHELLS:
        return _shell(words)
    if name in {"busybox", "toybox"} and "".join(words[1:2])[:1] in {"", "-"}:
        return None
    prefix = _PREFIXES.get(name)
    return _prefixed(prefix, words) if prefix else None


def _prefixed(prefix: Prefix, words: list[str]) -> Command | None:
    options, rest = _options(words[1:], prefix.valued + "".join(
        letter for letter in prefix.user if len(letter) == 1 and letter != "1"
    ), (*prefix.long, *(name for name in prefix.user if len(name) > 1)))  # fmt: skip
    user = next((options[name] for name in prefix.user if name in options), "")
    if "1" in prefix.user and rest:
        user = rest[0]
    command = rest[prefix.skip :]
    if not command:
        return None
    walls = [prefix.wall] if prefix.wall else []
    return Command(command, user.partition(":")[0], walls)


def _options(
    words: list[str], valued: str, long: tuple[str, ...]
) -> tuple[dict[str, str], list[str]]:
    """Split options from the rest, as getopt does that stops at the first other word."""
    found: dict[str, str] = {}
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] != "-":
        word = words[at]
        at += 1
        if word == "--":
            break
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            if not equals and name in long and at < len(words):
                value = words[at]
                at += 1
            found[name] = value
            continue
        for number, letter in enumerate(word[1:], start=2):
            found[letter] = ""
            if letter in valued:
                found[letter] = word[number:]
                if not found[letter] and at < len(words):
                    found[letter] = words[at]
                    at += 1
                break
    return found, words[at:]


def _start_stop_daemon(words: list[str], *, openrc: bool) -> Command:
    found: dict[str, str] = {}
    rest: list[str] = []
    at = 1
    while at < len(words):
        word = words[at]
        at += 1
        if word == "--" or not word.startswith("-") or word == "-":
            rest = words[at:] if word == "--" else words[at - 1 :]
            break
        name, value, wants = _daemon_option(word, found)
        if wants and at < len(words):
            value = words[at]
            at += 1
        found[name] = value
    if {"stop", "status", "test", "help", "K", "T", "H"} & found.keys():
        return Command([])
    program = found.get("startas") or found.get("exec") or (rest.pop(0) if rest else "")
    user = found.get("chuid") or (found.get("user", "") if openrc else "")
    walls = ["chroot"] if found.get("chroot") else []
    return Command([program, *rest] if program else [], user.partition(":")[0], walls)


def _daemon_option(word: str, found: dict[str, str]) -> tuple[str, str, bool]:
    """Read one option: its long name, its value, and whether the value is the next word."""
    if word.startswith("--"):
        name, equals, value = word[2:].partition("=")
        return name, value, not equals and name in _DAEMON_VALUED.values()
    before = set(word[1:-1])
    if before <= _DAEMON_FLAGS:  # -Sbmp FILE
        found.update(dict.fromkeys(before, ""))
        letter, value = word[-1], ""
    else:  # -N10
        letter, value = word[1], word[2:]
    name = _DAEMON_VALUED.get(letter, letter)
    return name, value, letter in _DAEMON_VALUED and not value


def _su(words: list[str]) -> Command:
    name = words[0].rpartition("/")[2]
    options, rest = _options(words[1:], "cgGsu", ("command", "shell", "group", "user"))
    more: dict[str, str] = {}
    user = options.get("u") or options.get("user") or ""
    if not user or name == "su":
        rest = rest[1:] if rest and rest[0] == "-" else rest
        user = rest[0] if rest else "root"
        more, rest = _options(rest[1:], "cs", ("command", "shell"))
    options = {**options, **more}
    code = options.get("c") or options.get("command")
    if code:
        return Command(["sh", "-c", code], user, code=code)
    return Command(rest, user)


def _env(words: list[str]) -> Command:
    _, rest = _options(words[1:], "uCS", ("unset", "chdir"))
    while rest and "=" in rest[0] and not rest[0].startswith("/"):
        rest = rest[1:]
    return Command(rest)


def _shell(words: list[str]) -> Command | None:
    at = 1
    while at < len(words) and words[at][:1] in {"-", "+"} and len(words[at]) > 1:
        letters = words[at][1:]
        at += 1
        if letters[0] != "-" and "c" in letters:
            return Command(words, code=words[at] if at < len(words) else "")
        if letters in {"o", "O"}:
            at += 1
    return None


def interpreter_of(text: str) -> list[str]:
    """Give the base names of the words after `#!`, `env` left out; [] if there is none."""
    if not text.startswith("#!"):
        return []
    words = text[2:256].split("\n", 1)[0].split()
    names = [PurePosixPath(word).name for word in words if not word.startswith("-")]
    return names[1:] if names[:1] == ["env"] else names
