"""Commands that a shell knows itself, and small tools that change what a script meets later."""

from collections.abc import Callable
from posixpath import join, normpath
from typing import TYPE_CHECKING, Final

from holdfast.audit.model.shapes import Started
from holdfast.audit.model.startup.graph import Context
from holdfast.audit.model.startup.shell import decoding, outcome, passwords, searching
from holdfast.audit.model.startup.shell.conditions import decide
from holdfast.audit.model.startup.shell.joined import unpacked
from holdfast.audit.model.startup.shell.outcome import Flow, Outcome, Status
from holdfast.audit.model.startup.shell.variables import Value

if TYPE_CHECKING:
    from holdfast.audit.model.startup.shell.runner import Shell

Result = tuple[Outcome, str | None]
Builtin = Callable[["Shell", list[Value], Context], Result]
_YES: Final = Outcome(Status.TRUE)
_UNKNOWN: Final = Outcome(Status.UNKNOWN)
MOST_ARGUMENTS: Final = 512


def _known(words: list[Value]) -> str | None:
    return " ".join(word.text for word in words) if all(word.known for word in words) else None


def _true(_shell: "Shell", _words: list[Value], _context: Context) -> Result:
    return _YES, ""


def _false(_shell: "Shell", _words: list[Value], _context: Context) -> Result:
    return Outcome(Status.FALSE), ""


def _ask(_shell: "Shell", _words: list[Value], _context: Context) -> Result:
    return _UNKNOWN, None


def _done(_shell: "Shell", _words: list[Value], _context: Context) -> Result:
    return Outcome(), None


def _test(shell: "Shell", words: list[Value], _context: Context) -> Result:
    inner = words[1:-1] if words[0].text in {"[", "[["} else words[1:]
    return outcome.of(decide(inner, shell.world.files, shell.folder)), ""


def _leave(flow: Flow) -> Builtin:
    def run(_shell: "Shell", words: list[Value], _context: Context) -> Result:
        code = words[1].text if len(words) > 1 and words[1].known else ""
        status = {"": Status.UNKNOWN, "0": Status.TRUE}.get(code, Status.FALSE)
        return Outcome(status, flow), ""

    return run


def _cd(shell: "Shell", words: list[Value], _context: Context) -> Result:
    if len(words) > 1 and words[1].known:
        shell.expander.folder = "/" + shell.world.files.place(words[1].text, shell.folder)
    return Outcome(), ""


def _pwd(shell: "Shell", _words: list[Value], _context: Context) -> Result:
    return _YES, shell.folder + "\n"


def _export(shell: "Shell", words: list[Value], _context: Context) -> Result:
    local = words[0].text in {"local", "declare", "typeset"} and len(shell.variables.scopes) > 1
    for word in words[1:]:
        name, equals, text = word.text.partition("=")
        if name.startswith("-"):
            continue
        if local:
            shell.variables.declare(name, Value(text, word.known))
            shell.note_secret(name, Value(text, word.known))
        elif equals:
            shell.set(name, Value(text, word.known))
        if words[0].text == "export":
            shell.variables.exported.add(name)
    return _YES, ""


def _unset(shell: "Shell", words: list[Value], _context: Context) -> Result:
    for word in words[1:]:
        shell.variables.unset(word.text)
    return _YES, ""


def _set(shell: "Shell", words: list[Value], _context: Context) -> Result:
    rest = words[1:]
    while rest and rest[0].text[:1] in {"-", "+"} and rest[0].text != "--":
        rest = rest[2:] if rest[0].text in {"-o", "+o"} else rest[1:]
        if not rest:
            return _YES, ""
    if rest:
        rest = rest[1:] if rest[0].text == "--" else rest
        shell.expander.arguments[1:] = rest[:MOST_ARGUMENTS]
    return _YES, ""


def _shift(shell: "Shell", words: list[Value], _context: Context) -> Result:
    count = words[1].text if len(words) > 1 else "1"
    if count.isdecimal():
        del shell.expander.arguments[1 : 1 + int(count[:4])]
    return _YES, ""


def _read(shell: "Shell", words: list[Value], _context: Context) -> Result:
    for word in words[1:]:
        if not word.text.startswith("-"):
            shell.variables.set(word.text, Value(f"${word.text}", known=False))
    return _UNKNOWN, ""


def _getopts(shell: "Shell", words: list[Value], _context: Context) -> Result:
    if len(words) > 2:  # noqa: PLR2004 - getopts LETTERS NAME
        shell.variables.set(words[2].text, Value(f"${words[2].text}", known=False))
    return _UNKNOWN, ""


def _source(shell: "Shell", words: list[Value], context: Context) -> Result:
    if len(words) > 1 and words[1].known:
        path = words[1].text
        place = shell.world.files.place(path, shell.folder)
        if "/" not in path and shell.world.files.text(place) is None:
            place = shell.world.files.which(path)
        return shell.source(place, context), None
    shell.variables.complete = False
    return _UNKNOWN, None


def _eval(shell: "Shell", words: list[Value], context: Context) -> Result:
    source = _known(words[1:])
    if source is None:
        shell.variables.complete = False
        # What is plain in it is still worth a look: eval "telnetd $OPTIONS".
        source = " ".join(word.text for word in words[1:])
        if decoding.decodes(source):
            shell.world.cut_off(f"{shell.where} runs what it decodes")
        return shell.evaluate(source, context.maybe(f"eval {source}")), None
    return shell.evaluate(source, context), None


def _exec(shell: "Shell", words: list[Value], context: Context) -> Result:
    rest = words[1:]
    while rest and rest[0].text in {"-a", "-c", "-l"}:
        rest = rest[2:] if rest[0].text == "-a" else rest[1:]
    if not rest:
        return _YES, ""
    shell.world.launch(shell, rest, context, "")
    return Outcome(Status.UNKNOWN, Flow.EXIT), None


def _echo(_shell: "Shell", words: list[Value], _context: Context) -> Result:
    rest = words[1:]
    end = "\n"
    while rest and rest[0].text in {"-n", "-e", "-ne", "-en", "-E"}:
        end = "" if "n" in rest[0].text else end
        rest = rest[1:]
    text = _known(rest)
    return _YES, None if text is None else text.replace("\\n", "\n") + end


def _printf(_shell: "Shell", words: list[Value], _context: Context) -> Result:
    known = _known(words[1:])
    if known is None or len(words) > 2 or "%" in known:  # noqa: PLR2004 - printf TEXT
        return _YES, None
    return _YES, known.replace("\\n", "\n").replace("\\t", "\t")


def _cat(shell: "Shell", words: list[Value], _context: Context) -> Result:
    texts = []
    for word in words[1:]:
        place = shell.world.files.place(word.text, shell.folder)
        text = shell.world.files.text(place) if word.known else None
        if text is None:
            return Outcome(), None
        texts.append(text)
    return Outcome(), "".join(texts) if texts else shell.handed


def _basename(_shell: "Shell", words: list[Value], _context: Context) -> Result:
    if len(words) < 2 or _known(words) is None:  # noqa: PLR2004 - basename PATH
        return _YES, None
    name = words[1].text.rstrip("/").rpartition("/")[2]
    suffix = words[2].text if len(words) > 2 else ""  # noqa: PLR2004 - basename PATH SUFFIX
    return _YES, name.removesuffix(suffix) + "\n"


def _dirname(_shell: "Shell", words: list[Value], _context: Context) -> Result:
    if len(words) < 2 or not words[1].known:  # noqa: PLR2004 - dirname PATH
        return _YES, None
    above = words[1].text.rstrip("/").rpartition("/")[0]
    return _YES, (above or ("/" if words[1].text.startswith("/") else ".")) + "\n"


def _names(words: list[Value]) -> list[str] | None:
    """Give the words that are no options; None if one is not known."""
    rest = [word for word in words[1:] if not word.text.startswith("-")]
    return [word.text for word in rest] if all(word.known for word in rest) else None


def _copy(shell: "Shell", words: list[Value], _context: Context) -> Result:
    names = _names(words)
    if names and len(names) > 1:
        target = shell.world.files.place(names[-1], shell.folder)
        into = len(names) > 2 or names[-1].endswith("/")  # noqa: PLR2004 - cp A B FOLDER
        folder = shell.folder
        for name in names[:-1]:
            if words[0].text.endswith("ln") and "/" in target and not name.startswith("/"):
                folder = "/" + target.rpartition("/")[0]
            to = f"{target}/{name.rstrip('/').rpartition('/')[2]}" if into else target
            shell.world.files.copy(shell.world.files.place(name, folder), to)
    return Outcome(), None


def _make_folders(shell: "Shell", words: list[Value], _context: Context) -> Result:
    for name in _names(words) or ():
        shell.world.files.make_folder(shell.world.files.place(name, shell.folder))
    return Outcome(), None


def _unpack(shell: "Shell", words: list[Value], context: Context) -> Result:
    found = unpacked([word.text for word in words])
    if found is not None and context.started not in {Started.STARTABLE, Started.NO}:
        name = found.archive.rpartition("/")[2]
        for member in found.members or ("",):
            # Of a name that is partly known, the folders before count.
            known = member.partition("$")[0].rpartition("/")[0] if "$" in member else member
            place = normpath(join("/", shell.folder, found.folder, known)).lstrip("/")
            shell.world.files.joined.add(place, name, archive=True)
    return Outcome(), None


def _ls(shell: "Shell", words: list[Value], _context: Context) -> Result:
    names = _names(words)
    if names is None or len(names) != 1 or len(words) > 2:  # noqa: PLR2004 - ls FOLDER
        return _UNKNOWN, None
    place = shell.world.files.place(names[0], shell.folder)
    if not shell.world.files.exists(place):
        return _UNKNOWN, None
    return _YES, "".join(f"{name}\n" for name in shell.world.files.tree.names(place))


def _touch(shell: "Shell", words: list[Value], _context: Context) -> Result:
    for name in _names(words) or ():
        place = shell.world.files.place(name, shell.folder)
        if shell.world.files.node(place) is None:
            shell.world.files.write(place, "", append=True)
    return Outcome(), None


def _type(shell: "Shell", words: list[Value], _context: Context) -> Result:
    names = _names(words)
    if not names:
        return _UNKNOWN, None
    name = names[-1]
    path = shell.world.files.which(name)
    there = bool(path) or name in shell.functions or name in BUILTINS
    return outcome.of(there or None), f"/{path}\n" if path else None


BUILTINS: Final[dict[str, Builtin]] = {
    ":": _true, "true": _true, "/bin/true": _true, "false": _false, "/bin/false": _false,
    "[": _test, "[[": _test, "test": _test, "exit": _leave(Flow.EXIT),
    "return": _leave(Flow.RETURN), "break": _leave(Flow.BREAK),
    "continue": _leave(Flow.CONTINUE), "cd": _cd, "pwd": _pwd,
    "export": _export, "local": _export, "declare": _export, "typeset": _export,
    "readonly": _export, "unset": _unset, "set": _set, "shift": _shift, "read": _read,
    "getopts": _getopts, ".": _source, "source": _source, "eval": _eval, "exec": _exec,
    "echo": _echo, "printf": _printf, "wait": _done, "trap": _true, "umask": _true,
    "ulimit": _true, "alias": _true, "unalias": _true, "let": _done,
    "mapfile": _done, "readarray": _done, "pushd": _done, "popd": _done, "shopt": _done,
    "hash": _true,
    "type": _type, "which": _type, "jobs": _true, "fg": _done, "bg": _done, "times": _true,
}  # fmt: skip

TOOLS: Final[dict[str, Builtin]] = {
    "cat": _cat, "basename": _basename, "dirname": _dirname, "cp": _copy, "ln": _copy,
    "mv": _copy, "mkdir": _make_folders, "tar": _unpack, "unzip": _unpack, "cpio": _unpack,
    "touch": _touch, "ls": _ls,
    "echo": _echo, "printf": _printf, "true": _true,
    "false": _false, "test": _test, "[": _test, "pwd": _pwd, "which": _type,
    "base64": decoding.base64, "tee": decoding.tee, "sed": passwords.sed,
    "grep": searching.grep, "egrep": searching.grep, "fgrep": searching.grep,
    "chpasswd": passwords.chpasswd, "passwd": passwords.passwd, "usermod": passwords.usermod,
    "useradd": passwords.usermod,
    **dict.fromkeys(
        ("pidof", "pgrep", "ps", "cmp", "diff", "ping", "ping6",
         "mountpoint", "expr", "readlink", "find", "uname", "id", "whoami",
         "md5sum", "sha256sum", "stat", "lsmod", "tty", "hostid", "fw_printenv", "getprop",
         "realpath", "arch", "runlevel", "sysinfo"), _ask),
    **dict.fromkeys(
        ("rmdir", "rm", "chmod", "chown", "chgrp", "sleep", "usleep", "date", "sync",
         "kill", "killall", "killall5", "pkill", "cut", "head", "tail", "tr", "wc", "sort",
         "uniq", "mknod", "install", "seq", "od", "hexdump", "dd", "md5", "mktemp",
         "logger", "stty", "clear", "yes", "free", "df", "du", "uptime", "gzip", "awk",
         "gunzip", "zcat", "bzip2", "bunzip2", "xz", "dmesg", "hostname",
         "printenv", "more", "less", "vi", "rev", "paste", "split", "strings",
         "truncate", "chattr", "lsattr", "setfacl", "column", "fold", "nl", "tac", "shuf"),
        _done),
}  # fmt: skip
"""Small tools by base name; they neither stay nor listen, so they are no steps."""
