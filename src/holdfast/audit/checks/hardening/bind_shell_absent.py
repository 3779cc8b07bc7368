"""Nothing binds a shell to a port."""

import re
from collections.abc import Iterator

from holdfast.audit.checks.hardening._listeners import called, found, must_be_whole
from holdfast.audit.image import Image
from holdfast.audit.model.shapes import Listener, Started
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="Start-up binds no shell to a port",
    why="A shell on a port that only insiders know of is found by every port scanner.",
    fix="Remove the line; a maintenance access is switched on by the owner and asks who comes.",
    recommendation=1,
    severity=Severity.CRITICAL,
    sources=("Article 1.11", "EN 303 645 5.6-1", "CRA Annex I part I (2)(d)"),
)
_SHELL = r"(?:\S*/)?(?:busybox\s+)?(?:ba|da|a|k|z|mk|hu)?sh\b(?!\s+/\w)"  # with a script it is none
_LOGIN = r"(?:\S*/)?(?:busybox\s+)?login\b"
_NETCAT = r"\b(?:nc|ncat|netcat)(?:\.\w+)?\b[^|;&]*"
_RUNS = r"\s-(?:\w*[ec]|-exec|-sh-exec)[\s=]*"
_BARE = re.compile(r"(?:exec\s+)?(?:\S*/)?(?:ba|da|a|k|z|mk|hu)?sh(?:\s+-[\w-]+)*")
_ASKS = re.compile(r"\s(?:\S*/)?login\b\S*\s*$")
_TELNET = re.compile(r"^(?:\S*/)?u?telnetd\b")
_FORMS = (
    (re.compile(rf"\bu?telnetd\b.*\s-l\s*{_SHELL}"), "Telnet gives a shell without a login"),
    (re.compile(r"\bu?telnetd\b.*\s-u\s*\S"), "Telnet with a user fixed in the image"),
    (re.compile(rf"{_NETCAT}{_RUNS}{_SHELL}"), "netcat runs a shell"),
    (re.compile(rf"{_NETCAT}{_RUNS}{_LOGIN}"), "netcat gives a login to the network"),
    (re.compile(rf"{_NETCAT}\|\s*{_SHELL}"), "netcat feeds a shell"),
    (
        re.compile(rf"(?<![\w.-]){_SHELL}\s+-\w*i\w*\s*\|\s*(?:\S*/)?{_NETCAT}"),
        "a shell writes to netcat",
    ),
    (
        re.compile(rf"(?i)\bsocat\b.*\b(?:exec|system|shell):[^\s,|]*?{_SHELL}"),
        "socat runs a shell",
    ),
    (
        re.compile(rf"(?i)\bsocat\b.*-l(?:isten)?:.*\b(?:exec|system|shell):{_LOGIN}"),
        "socat gives a login to the network",
    ),
    (re.compile(rf"\b(?:tcpsvd|udpsvd)\b.*\s{_LOGIN}"), "tcpsvd gives a login to the network"),
    (re.compile(r"/dev/(?:tcp|udp)/\S+/\d+"), "a shell reads from the network"),
)


def run(image: Image) -> Iterator[Finding]:
    """Look at each command of the start-up graph, started or startable, and at each listener."""
    steps = image.model.start_up.steps
    told = set()  # a line of inittab and the command in it are two steps
    for step in steps:
        if step.started is Started.NO:
            continue
        for form, what in _FORMS:
            if form.search(step.text):
                if (step.where, what) in told:
                    break
                told.add((step.where, what))
                yield Finding(where=step.where, what=what)
                break
    yield from _after_telnet(image)
    places = {where for where, _ in told}
    for listener in image.model.listeners:
        # The text says how; where it does not, who is behind the port tells.
        shell = listener.service == "shell" and listener.started is not Started.NO
        if shell and listener.where not in places:
            asks = any(_ASKS.search(one.text) for one in steps if one.where == listener.where)
            what = "a login to the network" if asks else "a shell"
            yield found(
                image, listener, f"{called(listener)} gives {what} on {_port(listener)}",
                severity=Severity.HIGH if asks else None,
            )  # fmt: skip
    must_be_whole(image)


def _after_telnet(image: Image) -> Iterator[Finding]:
    """Look where the scripts end that Telnet runs in place of `login`, if that is sure."""
    steps = {step.id: step for step in image.model.start_up.steps}
    above: dict[int, list[int]] = {}
    for parent, child in image.model.start_up.edges:
        above.setdefault(child, []).append(parent)
    for step in steps.values():
        if step.condition or not _BARE.fullmatch(step.text):
            continue
        scripts = [steps[one] for one in above.get(step.id, ()) if steps[one].kind == "script"]
        for script in scripts:
            if any(_TELNET.search(steps[one].text) for one in above.get(script.id, ())):
                what = f"Telnet runs {script.text}, which ends in a shell without a login"
                yield Finding(where=step.where, what=what)


def _port(listener: Listener) -> str:
    return f"{listener.protocol} port {listener.port}" if listener.port else "a port"
