"""No tunnel through which others get in opens by itself, unless the profile tells of it."""

import re
from collections.abc import Iterator
from typing import Final

from holdfast.audit.checks.hardening._listeners import RUNNING, must_be_whole
from holdfast.audit.image import Image
from holdfast.audit.model.shapes import Step
from holdfast.audit.verdicts import About, Finding, Severity, Undecided

ABOUT = About(
    title="No tunnel for remote support opens by itself without being declared",
    why="A tunnel to a supplier passes every firewall; whoever takes over its other end is inside "
    "the network of every owner.",
    fix="Take it out, or let the owner open it for the time of a support case; declare the host at "
    "its other end in the profile.",
    recommendation=1,
    severity=Severity.HIGH,
    sources=(
        "Article 1.11",
        "EN 303 645 5.6-1",
        "CRA Annex I part I (2)(d)",
        "CRA Annex I part I (2)(j)",
    ),
)
MOST_BYTES: Final = 64 * 1024
_START: Final = r"(?:^|[\s;&|/=-])"
_FORMS: Final = (
    (
        re.compile(
            rf"{_START}(?:autossh|ssh|dbclient)\s(?:[^;|&]*\s)?"
            r"(?:-[a-zA-Z46]*R|-o\s*RemoteForward)"
        ),
        "SSH lets the other end in through a port there",
    ),
    (
        re.compile(
            rf"{_START}(?:frpc|ngrok|rathole|bore|inlets|pagekite(?:\.py)?|zrok|npc|phtunnel|phddns"
            r"|lanproxy|localtunnel|boringproxy|reverse-ssh|gs-netcat|localxpose|loclx"
            r"|remoteit|connectd(?:\.\w+)*|weavedconnectd(?:\.\w+)*)(?:\s|$)"
        ),
        "a tunnel program lets the other end in",
    ),
    (
        re.compile(
            rf"{_START}(?:chisel\s+client|cloudflared\s(?:[^;|&]*\s)?tunnel"
            r"|gost\s[^;|&]*-L[ =]?r(?:tcp|udp)|devtunnel\s+host)(?:\s|$|:)"
        ),
        "a tunnel program lets the other end in",
    ),
    (
        re.compile(
            rf"(?i){_START}(?:teamviewerd?|anydesk|rustdesk|meshagent|dwagent|dwagsvc|supremo"
            r"|screenconnect|splashtop-?\w*|simplehelp|aeroadmin)(?:\s|$)"
        ),
        "a program for remote support lets the other end in",
    ),
    (
        re.compile(rf"{_START}(?:zerotier-one|tailscaled|netbird|n2n|edge\s[^;|&]*-l\s)(?:\s|$)?"),
        "an overlay network lets others reach the device",
    ),
)
_VPN: Final = re.compile(
    rf"{_START}(?:openvpn\s[^;|&]*?(\S+\.(?:conf|ovpn))|wg-quick\s+up\s+(\S+))"
)
_REMOTE: Final = re.compile(r"(?mi)^\s*(?:remote\s+|Endpoint\s*=\s*)([\w.-]{1,200})")
_SETTINGS: Final = re.compile(r"(?:^|[\s=])(/\S{1,200}\.(?:ini|toml|ya?ml|conf|json|cfg))(?=\s|$)")


def run(image: Image) -> Iterator[Finding]:
    """Look at every command that runs by itself; VPNs may be the owner's own."""
    told: set[tuple[str, str]] = set()
    unclear = ""
    for step in image.model.start_up.steps:
        if step.started not in RUNNING:
            continue
        what = next((what for form, what in _FORMS if form.search(step.text)), "")
        if what and step.program and not _declared(image, step):
            if (step.where, what) not in told:
                told.add((step.where, what))
                yield Finding(where=step.where, what=what, evidence=(step.text[:200],))
        elif what and step.kind == "command" and not step.program:
            unclear = unclear or f"{step.where} opens a tunnel, but the program is not there"
        elif not what:
            unclear = unclear or _vpn(image, step)
    if unclear:
        raise Undecided(unclear)
    must_be_whole(image)


def _declared(image: Image, step: Step) -> bool:
    """Tell whether the profile names the host at the other end."""
    if image.profile is None:
        return False
    said = step.text
    for match in _SETTINGS.finditer(step.text):
        said += " " + (image.text(match[1].lstrip("/"), MOST_BYTES) or "")
    return any(
        re.search(rf"(?<![\w.-]){re.escape(one.host.rstrip('.'))}(?![\w.-])", said, re.IGNORECASE)
        for one in image.profile.endpoints
    )


def _vpn(image: Image, step: Step) -> str:
    """Say that a VPN of the image opens by itself: whose it is, the image does not tell."""
    match = _VPN.search(step.text)
    if match is None or _declared(image, step):
        return ""
    name = match[1] or match[2]
    path = name.lstrip("/") if name.startswith("/") else f"etc/wireguard/{name}.conf"
    there = _REMOTE.search(image.text(path, MOST_BYTES) or "")
    if there is None:
        return ""
    return f"{step.where} joins the VPN of {there[1]}; whether others get in by it is not known"
