"""Other network services do not run as root."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._listeners import (
    WEB,
    called,
    found,
    must_be_sure,
    must_be_whole,
    running,
)
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity
from holdfast.product.behaviour import OFF_BY_DEFAULT

ABOUT = About(
    title="Network services run with the least privileges",
    why=(
        "A parser of network packets that runs as root turns each memory error into a full "
        "takeover."
    ),
    fix="Start the service under a user of its own with only the capabilities that it needs.",
    recommendation=1,
    severity=Severity.MEDIUM,
    sources=("Article 1.3", "EN 303 645 5.6-7", "CRA Annex I part I (2)(k)"),
)


def run(image: Image) -> Iterator[Finding]:
    """Look for listeners as root, apart from web servers and what is to be off anyway."""
    others = [
        one for one in running(image)
        if one.service not in WEB and one.service not in OFF_BY_DEFAULT
    ]  # fmt: skip
    if not others:
        must_be_whole(image)
        must_be_sure(image)
        raise NotApplicable("no other network service is started as shipped")
    for listener in others:
        if listener.user in {"root", "0"} and not listener.confinement:
            yield found(image, listener, f"{called(listener)} ({listener.service}) runs as root")
    must_be_sure(image)
