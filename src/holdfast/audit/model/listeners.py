"""Programs that wait for others on a network, put together from start-up and configuration."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from holdfast.audit.model.configuration.remote import READERS, ssh_options
from holdfast.audit.model.configuration.settings import (
    Endpoint,
    Reading,
    Settings,
    address,
    endpoint,
    number,
)
from holdfast.audit.model.daemons import DAEMONS, SWITCHABLE, Daemon
from holdfast.audit.model.shapes import Listener
from holdfast.audit.model.startup.graph import STRENGTH, Launch
from holdfast.audit.model.startup.system import System
from holdfast.audit.model.startup.wrappers import LANGUAGES, without_options
from holdfast.audit.model.unused import unused_daemons

MOST_LISTENERS: Final = 500
MAY_BE_LOCAL: Final = "sockets=may-be-local"
"""Option of a listener that may wait at sockets of this system only, or for a link."""
_TLS_PORTS = frozenset({443, 8443, 4443})
_SECTION = re.compile(
    r"(?m)^\s*(?:profile\s+\S+\s+)?(/[\w./{},*-]{1,200})\s+(?:flags=\(([^)]*)\)\s*)?\{"
)
_SCRIPT_SERVES: Final = re.compile(
    r"\.bind\(|\.listen\(|\bbind\s*\(|create_server|start_server|createServer|serve_forever"
    r"|(?:HTTP|TCP|UDP|Stream|XMLRPC)Server\b|IO::Socket|HTTP::Daemon|run_simple|\buvicorn\b"
    r"|\bapp\.run\("
)
_SCRIPT_PAGES: Final = re.compile(
    r"HTTPServer|HTTP::Daemon|\buvicorn\b|run_simple|\bapp\.run\(|http\.createServer"
)
_NGINX_USER: Final = re.compile(r"(?:^|[\s;])user\s+([\w-]{1,64})")  # nginx -g "user x;"
_SERVING_MODULES: Final = {
    "http.server": "http", "SimpleHTTPServer": "http", "CGIHTTPServer": "http",
    "pyftpdlib": "ftp", "flask": "http", "uvicorn": "http", "gunicorn": "http",
}  # fmt: skip
"""What `python -m` serves with."""
_ONLY_CHECKS: Final = {
    "sshd": {"-t", "-T"}, "nginx": {"-t", "-T"}, "lighttpd": {"-t"}, "dnsmasq": {"--test"},
    "haproxy": {"-c"}, "apache2": {"-t"}, "httpd2": {"-t"}, "named": {"-v"}, "smbd": {"-b"},
}  # fmt: skip
"""Options with which a daemon looks at its configuration and goes away again."""
_SHELL_NAME: Final = re.compile(r"(?:\S*/)?(?:ba|da|a|k|z|mk|hu)?sh")
_VALUED_OF_TCPSVD: Final = "cCbulixt"
_INETD_NAMES: Final = {
    "telnet": 23, "ssh": 22, "ftp": 21, "tftp": 69, "http": 80, "www": 80, "https": 443,
    "swat": 901, "shell": 514, "login": 513, "exec": 512, "finger": 79, "echo": 7, "discard": 9,
    "daytime": 13, "chargen": 19, "time": 37, "netbios-ssn": 139, "netbios-ns": 137,
    "microsoft-ds": 445, "rsync": 873, "snmp": 161, "printer": 515, "sunrpc": 111,
}  # fmt: skip


_ONLY_TELLS: Final = frozenset({"-v", "-V", "--version", "-h", "--help"})
_BOTH: Final = re.compile(r"(?:\[[^\]]*\]|[^:\[\]]+):\d{1,5}")
_SERVICES: Final = frozenset(daemon.service for daemon in DAEMONS.values())


@dataclass(slots=True)
class _Found:
    """A listener before all that leads to it is known."""

    listener: Listener
    steps: list[int] = field(default_factory=list)


def listeners_of(system: System) -> tuple[Listener, ...]:
    """Find every listener of a system whose start-up was read."""
    found: dict[tuple[str, str, int | None, str], _Found] = {}
    for step, launch in system.graph.launches.items():
        for one in _of_launch(system, step, launch):
            _add(found, one, step)
    # What is started but waits for nobody, such as a client of time, does not lie there either.
    started = {system.graph.steps[step].program for step in system.graph.launches}
    started |= {one.listener.program for one in found.values()}
    for one in unused_daemons(system, started):
        _add(found, one, None)
    above = system.graph.parents()
    apparmor = _apparmor(system)
    return tuple(
        replace(
            one.listener,
            steps=_steps(system, one.steps, above),
            confinement=_confinement(one.listener, apparmor),
        )
        for one in list(found.values())[:MOST_LISTENERS]
    )


def _add(
    found: dict[tuple[str, str, int | None, str], _Found], one: Listener, step: int | None
) -> None:
    """Keep a listener; of several ways to start the same one the surest counts."""
    key = (one.service, one.program, one.port, one.protocol)
    known = found.get(key)
    if known is None:
        known = found[key] = _Found(one)
    elif STRENGTH[one.started] > STRENGTH[known.listener.started]:
        known.listener = one
        known.steps.clear()
    elif known.listener.address not in {"", one.address} and one.started is known.listener.started:
        known.listener = replace(known.listener, address="" if one.address == "" else one.address)
    if step is not None and one.started is known.listener.started:
        known.steps.append(step)


def _steps(system: System, ends: list[int], above: dict[int, list[int]]) -> tuple[int, ...]:
    """Give the way from the kernel to the first step that starts it."""
    return system.graph.path_to(ends[0], above) if ends else ()


def _of_launch(system: System, step: int, launch: Launch) -> Iterator[Listener]:
    """Give what one started program listens on."""
    program = system.graph.steps[step].program
    if not program:
        return  # what is not in the image waits for nobody
    yield from _built_in(system, step, launch)
    if launch.name in SWITCHABLE:
        yield from _switchable(system, step, launch)
        return
    daemon = _daemon(system, step, launch, program)
    if daemon is None:
        return
    options = _options(launch.arguments, daemon)
    settings = _settings(system, daemon, options)
    if settings.off or not _serves(system, launch, daemon, options, program):
        return
    user, why = _user(launch, daemon, options, settings)
    walls = [*launch.walls, *settings.walls]
    if daemon.root_option and daemon.root_option in options:
        walls.append("chroot")
    facts = list(settings.options or _facts(launch, daemon))
    told = launch.name in DAEMONS or daemon.service != "unknown" or any(_activated(launch))
    if not told and system.programs.elf(program) and system.programs.may_be_local(program):
        facts.append(MAY_BE_LOCAL)
    if settings.where and why == "config":
        facts.append(f"user={settings.where}")
    for end in _endpoints(launch, daemon, options, settings):
        service = end.service or daemon.service
        if service == "http" and end.port in _TLS_PORTS:
            service = "https"
        configured = [f"configured={end.where}"] if end.where else []
        yield Listener(
            service=service, program=program, where=system.graph.steps[step].where,
            protocol=end.protocol, port=end.port, address=end.address,
            started=system.graph.steps[step].started, user=user, user_why=why,
            confinement=tuple(dict.fromkeys(walls)),
            options=tuple(dict.fromkeys((*facts, *configured))),
        )  # fmt: skip


def _built_in(system: System, step: int, launch: Launch) -> Iterator[Listener]:
    """Give the server of SSH that a program for everything brings along."""
    found = system.graph.steps[step]
    if system.programs.lets_in(launch.name, found.program):
        yield Listener(
            service="ssh", program=found.program, where=found.where, started=found.started,
            user=launch.user or "root", user_why=(launch.user and launch.user_why) or "absent",
            confinement=tuple(launch.walls),
        )  # fmt: skip


def _daemon(system: System, step: int, launch: Launch, program: str) -> Daemon | None:
    """Look a program up, or make an entry of what its calls tell."""
    known = DAEMONS.get(launch.name)
    if known is None and LANGUAGES.fullmatch(program.rpartition("/")[2]):
        known = _of_script(system, step, launch)
    if known is None and any(_activated(launch)):
        known = Daemon(service="unknown")  # whoever it is, inetd or systemd listens for it
    if known is not None:
        return known
    language = LANGUAGES.fullmatch(program.rpartition("/")[2]) is not None
    if language or not system.programs.listens(launch.name, program):
        return None
    service = system.programs.served_by(program)
    protocol = system.programs.serves(program) or "tcp"
    return Daemon(service=service or "unknown", protocol=protocol)


def _of_script(system: System, step: int, launch: Launch) -> Daemon | None:
    """Ask a script whether it serves anybody: its interpreter could, whatever it runs."""
    after = dict(zip(launch.arguments, launch.arguments[1:], strict=False))
    if after.get("-m") in _SERVING_MODULES:
        usual = 8000 if after["-m"].endswith(("http.server", "Server")) else None
        port = next((found for word in launch.arguments if (found := number(word))), usual)
        return Daemon(service=_SERVING_MODULES[after["-m"]], port=port, valued="mbd",
                      address_option="-b")  # fmt: skip
    if "-S" in after and launch.name.startswith("php"):
        return Daemon(service="http", valued="StdczT", port_option="-S")
    if any(_SCRIPT_SERVES.search(after.get(option, "")) for option in ("-e", "-c", "-r")):
        return Daemon(service="unknown")
    named = [word for word in launch.arguments if not word.startswith("-")][:1]
    for path in (system.graph.steps[step].where.partition(":")[0], *named):
        text = system.files.text(path) or ""
        if "\n" in text and _SCRIPT_SERVES.search(text):
            return Daemon(service="http" if _SCRIPT_PAGES.search(text) else "unknown")
    return None


def _options(arguments: tuple[str, ...], daemon: Daemon) -> dict[str, list[str]]:
    """Read the options of a daemon; values by option, `-p` or `--port`."""
    found: dict[str, list[str]] = {}
    at = 0
    while at < len(arguments):
        word = arguments[at]
        at += 1
        if word.startswith("--"):
            name, _, value = word.partition("=")
            found.setdefault(name, []).append(value)
        elif word.startswith("-") and len(word) > 1:
            for place, letter in enumerate(word[1:], start=2):
                value = ""
                if letter in daemon.valued:
                    value = word[place:]
                    if not value and at < len(arguments):
                        value = arguments[at]
                        at += 1
                found.setdefault(f"-{letter}", []).append(value)
                if letter in daemon.valued:
                    break
        else:
            found.setdefault("", []).append(word)
    return found


def _serves(
    system: System,
    launch: Launch,
    daemon: Daemon,
    options: dict[str, list[str]],
    program: str,
) -> bool:
    """Leave out programs that are called as clients, or only for a moment."""
    if _ONLY_CHECKS.get(launch.name, set()) & options.keys():
        return False
    if launch.arguments and set(launch.arguments) <= _ONLY_TELLS:
        return False
    if daemon.unless:
        plain = options.get("", [])
        named = daemon.unless in options or daemon.unless in plain
        return named or any(daemon.unless in system.files.place(word) for word in plain)
    if launch.name == "ntpd" and system.programs.is_multi_call(program):
        return "-l" in options  # of busybox: a client without
    if launch.name == "httpd" and {"-m", "-d", "-e"} & options.keys() and len(options) == 1:
        return False  # of busybox: only prints something
    return "-V" not in options or len(launch.arguments) > 1


def _settings(system: System, daemon: Daemon, options: dict[str, list[str]]) -> Settings:
    """Read the configuration that counts for this start."""
    reader = READERS.get(daemon.reader)
    if reader is None:
        return Settings()
    named = options.get(daemon.config_option, []) if daemon.config_option else []
    for path in (*[word.lstrip("/") for word in named if word], *daemon.configs):
        text = system.files.text(path)
        if text is not None:
            files = system.files
            return reader(Reading(files.place(path), text, files.text, files.glob))
        if path in named:
            break
    return Settings()


def _user(
    launch: Launch, daemon: Daemon, options: dict[str, list[str]], settings: Settings
) -> tuple[str, str]:
    """Tell as whom it runs, and how that is known."""
    if launch.user and launch.user not in {"root", "0"}:
        return launch.user, launch.user_why or "command"
    if daemon.user_option and any(options.get(daemon.user_option, [])):
        return options[daemon.user_option][-1].partition(":")[0], "command"
    given = _NGINX_USER.search(" ".join(launch.arguments)) if launch.name == "nginx" else None
    if given is not None:
        return given[1], "command"
    if settings.user:
        return settings.user, "config"
    if daemon.drops:
        return daemon.drops, "drops"
    return "root", (launch.user_why if launch.user else "") or "absent"


def _endpoints(
    launch: Launch, daemon: Daemon, options: dict[str, list[str]], settings: Settings
) -> list[Endpoint]:
    """Tell where it listens: told by who starts it, by options, by configuration, by custom."""
    activated = list(_activated(launch))
    if activated:
        return activated
    given = [
        found
        for text in options.get(daemon.port_option, [])
        if daemon.port_option and text
        for found in [_given(text, daemon)]
        if found is not None
    ]
    if launch.name == "uhttpd":
        given += [
            replace(found, service="https")
            for text in options.get("-s", [])
            if (found := endpoint(text)) is not None
        ]
    if launch.name.startswith("snmpd"):
        given += [
            replace(found, port=found.port or daemon.port)
            for text in options.get("", [])
            if re.search(r"^[^/]*[:.]", text)
            and (found := endpoint(re.sub(r"^(?i:udp6?|tcp6?):", "", text))) is not None
        ]
    if launch.name == "swupdate":
        match = re.search(r"-p(?:orts?)?[ =](\d{1,5})", " ".join(launch.arguments))
        given = [Endpoint(number(match[1]))] if match else []
    if not given and settings.endpoints:
        return settings.endpoints
    host = _host(launch, daemon, options)
    ends = given or [_with_address(daemon, options) or Endpoint(daemon.port, host)]
    return [replace(end, address=end.address or host, protocol=daemon.protocol) for end in ends]


def _with_address(daemon: Daemon, options: dict[str, list[str]]) -> Endpoint | None:
    """Read `address:port` where the option for the address has both, as `telnetd -b` does."""
    texts = options.get(daemon.address_option, []) if daemon.address_option else []
    if not texts or not _BOTH.fullmatch(texts[-1]):
        return None
    return endpoint(texts[-1])


def _host(launch: Launch, daemon: Daemon, options: dict[str, list[str]]) -> str:
    """Read the address that an option gives, or the interface: `-i br0`."""
    if daemon.address_option and any(options.get(daemon.address_option, [])):
        text = options[daemon.address_option][-1]
        return address(text.rpartition(":")[0].strip("[]") if _BOTH.fullmatch(text) else text)
    after = dict(zip(launch.arguments, launch.arguments[1:], strict=False))
    return "lan" if address(after.get("-i", "")) == "lan" else ""


def _given(text: str, daemon: Daemon) -> Endpoint | None:
    """Read the port that an option gives; one that is only known later is none."""
    if any(mark in text for mark in ("%", "$")):
        tail = text.rpartition(":")[2]
        return Endpoint(number(tail), "", daemon.protocol)
    return endpoint(text)


def _activated(launch: Launch) -> Iterator[Endpoint]:
    """Give the sockets that inetd or systemd listens on for a program."""
    settings = dict(launch.environment)
    if "inetd" in settings:
        service, _, protocol = settings["inetd"].partition("/")
        port = number(service) or _INETD_NAMES.get(service)
        kind: Literal["tcp", "udp"] = "udp" if protocol == "udp" else "tcp"
        known = launch.name in DAEMONS
        yield Endpoint(
            port, address(settings.get("address", "")), kind,
            service="" if known else _inetd_service(service, launch),
        )  # fmt: skip
    for key, value in launch.environment:
        if key in {"ListenStream", "ListenDatagram"}:
            found = endpoint(value)
            if found is not None:
                yield replace(found, protocol="udp" if key == "ListenDatagram" else "tcp")


def _inetd_service(name: str, launch: Launch) -> str:
    if _is_shell([launch.name, *launch.arguments]):
        return "shell"
    named = {"www": "http", "login": "rlogin", "shell": "rsh", "exec": "rexec"}.get(name, name)
    return named if name in _INETD_NAMES or named in _SERVICES else "unknown"


def _is_shell(words: list[str]) -> bool:
    """Tell whether a command is a shell that takes what comes in, not a script that it runs."""
    while words and words[0].rpartition("/")[2] in {"busybox", "toybox"}:
        words = words[1:]
    return bool(words and _SHELL_NAME.fullmatch(words[0])) and all(
        word.startswith("-") for word in words[1:]
    )


def _switchable(system: System, step: int, launch: Launch) -> Iterator[Listener]:
    """Read programs that listen only as their arguments say."""
    shown = system.graph.steps[step]
    words = list(launch.arguments)
    port: int | None = None
    service = "unknown"
    protocol: Literal["tcp", "udp"] = "tcp"
    if launch.name in {"tcpsvd", "udpsvd"}:
        plain = without_options(words, _VALUED_OF_TCPSVD)
        inner = next((word.rpartition("/")[2] for word in plain[2:]), "")
        port = number(plain[1]) if len(plain) > 1 else None
        protocol = "udp" if launch.name == "udpsvd" else "tcp"
        service = DAEMONS[inner].service if inner in DAEMONS else "unknown"
        service = "shell" if _is_shell(plain[2:]) else service
    elif launch.name == "socat":
        match = re.search(r"(?i)\b(tcp|udp)[46]?-(?:l|listen):(\d{1,5})", " ".join(words))
        if match is None:
            return
        port, protocol = number(match[2]), "udp" if match[1].lower() == "udp" else "tcp"
        service = "shell" if re.search(r"(?i)(?:exec|system):\S*sh\b", shown.text) else service
    else:
        letters = "".join(word[1:] for word in words if re.match(r"-[a-zA-Z]", word))
        if "l" not in letters and "--listen" not in words:
            return
        protocol = "udp" if "u" in letters else "tcp"
        numbers = [number(word) for word in words]
        port = next((found for found in numbers if found), None)
        runs = re.search(r"-\w*[ec]\s*\S*sh\b(?!\s+/\w)|\|\s*\S*sh\b", shown.text)
        service = "shell" if runs else service
    yield Listener(
        service=service, program=shown.program, where=shown.where, protocol=protocol, port=port,
        started=shown.started, user=launch.user or "root",
        user_why=(launch.user_why if launch.user else "") or "absent",
        confinement=launch.walls,
    )  # fmt: skip


def _facts(launch: Launch, daemon: Daemon) -> list[str]:
    """Read facts from the command line that checks ask for."""
    flags = {word for word in launch.arguments if word.startswith("-")}
    found = []
    if launch.name == "dropbear":
        letters = "".join(flag[1:2] for flag in flags)
        password, root = "s" not in letters, "w" not in letters
        found += ssh_options(root=root, password=password, root_password="g" not in letters)
        if "B" in letters:
            found.append("empty-passwords=yes")
    if daemon.service == "telnet":
        after = dict(zip(launch.arguments, launch.arguments[1:], strict=False))
        if "-l" in after:
            found.append(f"login={after['-l']}")
        if any(word.startswith("-u") and ":" in (word + after.get(word, "")) for word in flags):
            found.append("fixed-user=yes")
    return found


def _apparmor(system: System) -> list[tuple[str, bool]]:
    """Give the programs that AppArmor profiles name, and whether they are enforced."""
    files = system.files
    loads = any("apparmor" in step.text for step in system.graph.steps)
    if not loads:
        return []
    found = []
    for name in files.tree.names("etc/apparmor.d"):
        text = files.text(f"etc/apparmor.d/{name}")
        off = files.tree.resolve(f"etc/apparmor.d/disable/{name}", follow=False) is not None
        for match in _SECTION.finditer(text or ""):
            enforced = not off and "complain" not in (match[2] or "")
            found.append((match[1].lstrip("/"), enforced))
    return found


def _confinement(one: Listener, apparmor: list[tuple[str, bool]]) -> tuple[str, ...]:
    held = any(path == one.program and enforced for path, enforced in apparmor)
    return (*one.confinement, "apparmor") if held else one.confinement
