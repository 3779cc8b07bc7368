"""Places that let an unsigned update in, or talk to any server that answers."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from holdfast.audit.facts.shapes import FileKind, Hit
from holdfast.audit.model.update_feeds import Feed
from holdfast.audit.model.update_scene import Scene, Tool, as_json

SIGNATURE, PACKAGES, CERTIFICATE = "signature:", "packages:", "certificate:"
"""First word of each reason: a way around the check, a feed unchecked, a server unchecked."""

_AT_COMMAND: Final = re.compile(
    r"(?:^|[;&|(`{!\"'=]|\b(?:then|do|else|if|while|exec|nohup|sudo|time|nice|env))\s*"
    r"(?:[A-Z_]+=\S*\s+)*(?:/[\w./-]*/)?$"
)
_TALKING: Final = re.compile(r"^\s*(?:#|//|\*|--|;|echo\b|printf\b|logger\b|print\b|v\s+\"|log\b)")
_CURL_K: Final = re.compile(
    r"curl\b(?:[^;&|]*?)\s(--insecure|-[a-zA-Z]{0,6}k[a-zA-Z]{0,6})(?=\s|$|\")"
)
_ABOUT_UPDATES: Final = re.compile(
    r"firmware|(?<![a-z])fw(?![a-z])|upgrade|updat|f?ota(?![a-z])|\bflash|mtd\s+write|opkg|\brauc\b"
    r"|\.(?:swu|raucb|mender|ipk|trx|chk|img)\b",
    re.IGNORECASE,
)
_HOME: Final = re.compile(
    r"://(?:localhost|127\.|\[::1\]|192\.168\.|10\.|172\.(?:1[6-9]|2\d|3[01])\.)"
)
_CODE_ENDS: Final = (".sh", ".lua", ".php", ".py", ".pl", ".rb", ".js", ".cgi", ".conf", ".awk")

_LOOSE_APT: Final = r"\s*[\w:]*(Allow(?:Unauthenticated|InsecureRepositories)\s+\"?(?:true|1|yes))"
_SETTINGS: Final[tuple[tuple[str, str, str], ...]] = (
    ("etc/swupdate*", CERTIFICATE, r"\s*(nocheckcert\s*=\s*true)"),
    ("etc/swupdate/*", CERTIFICATE, r"\s*(nocheckcert\s*=\s*true)"),
    ("etc/rauc-hawkbit*/*", CERTIFICATE, r"\s*(ssl_verify\s*=\s*false)"),
    ("etc/ostree/remotes.d/*", CERTIFICATE, r"\s*(tls-permissive\s*=\s*true)"),
    ("ostree/repo/config", CERTIFICATE, r"\s*(tls-permissive\s*=\s*true)"),
    ("etc/opkg.conf", CERTIFICATE, r"\s*(option\s+no_check_certificate\b.*)"),
    ("etc/opkg/*.conf", CERTIFICATE, r"\s*(option\s+no_check_certificate\b.*)"),
    ("etc/wgetrc", CERTIFICATE, r"\s*(check_certificate\s*=\s*off)"),
    ("root/.curlrc", CERTIFICATE, r"\s*(insecure|-k|--insecure)\s*$"),
    ("etc/apt/apt.conf", PACKAGES, _LOOSE_APT),
    ("etc/apt/apt.conf.d/*", PACKAGES, _LOOSE_APT),
    ("etc/apt/apt.conf.d/*", CERTIFICATE, r"\s*[\w:]*(Verify-(?:Peer|Host)\s+\"?(?:false|0|no))"),
)


def skips_of(scene: Scene, tools: Sequence[Tool], feeds: Sequence[Feed]) -> Iterator[str]:
    """Give `place reason`; the reason begins with its kind."""
    for feed in feeds:
        if feed.unsigned:
            yield f"{feed.where} {PACKAGES} {feed.unsigned}"
        if feed.unchecked:
            yield f"{feed.where} {CERTIFICATE} {feed.unchecked}"
    for tool in tools:
        if tool.lacking and not tool.name.startswith("vendor:") and tool.name not in _MANAGERS:
            yield f"{tool.path} {SIGNATURE} {tool.lacking}"
    yield from _settings(scene)
    for path, hit in scene.hits("update-unsigned"):
        line = _command(scene, path, hit)
        if line:
            flag = hit.text.split()[-1]
            yield f"{scene.place(path, hit.offset)} {SIGNATURE} {hit.text.split()[0]} {flag}"
    installers = {tool.path for tool in tools}
    for path, hit in scene.hits("update-no-certificate"):
        why = _unchecked(scene, path, hit)
        if why and (path in installers or _is_about_updates(scene, path, hit)):
            yield f"{scene.place(path, hit.offset)} {CERTIFICATE} {why}"


_MANAGERS: Final = frozenset({"opkg", "apt", "apk", "rpm"})


def _settings(scene: Scene) -> Iterator[str]:
    for pattern, kind, setting in _SETTINGS:
        for node in scene.tree.glob(pattern):
            for number, line in enumerate(scene.lines(node.path), start=1):
                match = re.match(setting, line, re.IGNORECASE)
                if match is not None:
                    yield f"{node.path}:{number} {kind} {' '.join(match[1].split())}"
    for config in ("etc/mender/mender.conf", "var/lib/mender/mender.conf"):
        settings = as_json("\n".join(scene.lines(config)))
        inner = settings.get("HttpsClient")
        if settings.get("SkipVerify") is True or (
            isinstance(inner, dict) and inner.get("SkipVerify") is True
        ):
            yield f"{config} {CERTIFICATE} SkipVerify: true"


def _is_about_updates(scene: Scene, path: str, hit: Hit) -> bool:
    """Tell a fetch of updates from one of anything else, by the script or the line it is in."""
    if scene.is_text(path):
        return any(_ABOUT_UPDATES.search(line) for line in (path, *scene.lines(path)))
    return _ABOUT_UPDATES.search(f"{path} {scene.line(path, hit.offset)[1]}") is not None


def _unchecked(scene: Scene, path: str, hit: Hit) -> str:
    if not hit.text.startswith(("curl", "wget", "uclient-fetch")):
        code = scene.is_text(path) and path.endswith(_CODE_ENDS)
        return " ".join(hit.text.split()) if code else ""
    line = _command(scene, path, hit)
    if not line or _HOME.search(line):
        return ""
    name = hit.text.split()[0]
    if name != "curl":
        return f"{name} --no-check-certificate"
    match = _CURL_K.search(line)
    return f"curl {match[1]}" if match is not None else ""


def _command(scene: Scene, path: str, hit: Hit) -> str:
    """Give the line in which the hit is a command, not a comment, a message or a manual."""
    known = scene.fact(path)
    if known is None:
        return ""
    if scene.is_text(path):
        script = known.kind is FileKind.SCRIPT or path.endswith(_CODE_ENDS)
        if not script and not path.startswith(("etc/", "lib/")):
            return ""
    elif known.elf is None:
        return ""
    _, line = scene.line(path, hit.offset)
    before, found, _ = line.partition(hit.text[:60].split("\n")[0])
    if not found or _TALKING.match(line) or not _AT_COMMAND.search(before):
        return ""
    return line[len(before) :]
