"""Places that the product calls and its profile does not tell of."""

import re
from collections.abc import Iterator

from holdfast.audit.checks.privacy._places import own_hits, place
from holdfast.audit.image import Image
from holdfast.audit.model.addresses import host_of, is_called
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="The product calls nobody that its profile does not declare",
    why="Firewalls, MUD files and the notice to owners are made from the profile; what is not in "
    "it is neither allowed nor told.",
    fix="Declare the endpoint with its purpose, or take the address out.",
    recommendation=5,
    severity=Severity.MEDIUM,
    sources=(
        "Article 5.1",
        "EN 303 645 6-1",
        "EN 303 645 6-5",
        "CRA Annex I part I (2)(g)",
        "CRA Annex I part I (2)(j)",
        "GDPR Art. 5.1b",
    ),
)

SETTINGS = ("etc/", "usr/etc/", "config/", "data/", "mnt/config/")
COMMENT = re.compile(r"\s*(?:#|//|;|\*|<!--|--)")
# What is configured without a scheme: time servers, brokers, log hosts.
HOST_SETTINGS = re.compile(
    r"^\s*(?:(?:list|option)\s+)?(?:server|pool|peer|ntp|ntp_?server|broker|host(?:name)?_?url|"
    r"cloud_?(?:host|server|url)|mqtt_?(?:host|server|broker)|address|remote)\s*[=:\s]\s*"
    r"[\"']?([a-z0-9-]+(?:\.[a-z0-9-]+)+)\b",
    re.IGNORECASE,
)
HOST_FILES = (
    "etc/ntp.conf",
    "etc/chrony.conf",
    "etc/chrony/chrony.conf",
    "etc/openntpd/ntpd.conf",
    "etc/config/system",
    "etc/config/mqtt*",
    "etc/mosquitto/*.conf",
    "etc/mosquitto/conf.d/*",
    "etc/config/*cloud*",
    "etc/*cloud*.conf",
)
MOST = 30


def run(image: Image) -> Iterator[Finding]:
    """Look in settings, not in programs: there an address is often only a name for something."""
    if image.profile is None:
        raise NotApplicable("no profile says whom the product may call")
    declared = {endpoint.host.lower().rstrip(".") for endpoint in image.profile.endpoints}
    told: set[str] = set()
    for where, host, offset in _called(image):
        if host not in declared and host not in told and len(told) < MOST:
            told.add(host)
            what = f"calls {host}, which the profile does not declare"
            yield Finding(where=where, what=what, offset=offset)


def _called(image: Image) -> Iterator[tuple[str, str, int | None]]:
    for line in image.model.updates.urls:
        where, _, address = line.partition(" ")
        if is_called(address):
            whole, mark, at = where.rpartition("@")
            yield (whole, host_of(address), int(at)) if mark else (where, host_of(address), None)
    for path, hit in own_hits(image, "update-address"):
        if path.startswith(SETTINGS) and is_called(hit.text):
            where, offset = place(image, path, hit)
            if offset is None and not _is_comment(image, where):
                yield where, host_of(hit.text), offset
    for node in image.tree.glob(*HOST_FILES):
        for number, line in image.lines(node.path):
            match = HOST_SETTINGS.match(line)
            if match is not None and is_called(f"//{match[1]}"):
                yield f"{node.path}:{number}", match[1].lower(), None


def _is_comment(image: Image, where: str) -> bool:
    path, _, number = where.rpartition(":")
    return any(
        at == int(number) and COMMENT.match(line) is not None for at, line in image.lines(path)
    )
