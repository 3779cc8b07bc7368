"""Everything that listens is declared in the profile."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._listeners import found, must_be_sure, running
from holdfast.audit.image import Image
from holdfast.audit.model.shapes import Listener
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity
from holdfast.product.behaviour import Service

ABOUT = About(
    title="Every listener has a declared purpose",
    why="What nobody declared, nobody patches, and nobody misses when it is switched off.",
    fix="Declare the service with its purpose in product.toml, or do not start it.",
    recommendation=1,
    severity=Severity.MEDIUM,
    sources=("Article 1.4", "Article 1.11", "EN 303 645 5.6-1", "CRA Annex I part I (2)(j)"),
)


def run(image: Image) -> Iterator[Finding]:
    """Compare what runs as shipped with the services of the profile."""
    if image.profile is None:
        raise NotApplicable("no profile was given, so nothing is declared to compare with")
    declared = [one for one in image.profile.services if one.default == "on"]
    for listener in running(image):
        if not any(_same(listener, service) for service in declared):
            yield found(image, listener)
    must_be_sure(image)


def _same(listener: Listener, service: Service) -> bool:
    if listener.port is not None:
        return (listener.port, listener.protocol) == (service.port, service.protocol)
    return listener.service == service.name
