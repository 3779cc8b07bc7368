"""What the checks on end of life and age have in common."""

from collections.abc import Iterator

from holdfast.audit.image import Image
from holdfast.audit.model.shapes import Component, Started
from holdfast.audit.verdicts import Severity
from holdfast.audit.vulnerabilities.lifetimes import Lifetime, lifetime_of
from holdfast.audit.vulnerabilities.products import canonical, package_of, system_of
from holdfast.audit.vulnerabilities.versions import upstream_of

_LOOKED_AFTER = frozenset({"deb", "rpm", "apk"})
"""Package systems of distributions that mend old versions themselves."""


def judged(image: Image) -> Iterator[tuple[Component, str, Lifetime]]:
    """Give the components that the table knows, each with the version of its makers.

    The kernel has a check of its own; packages of a distribution live as long as that.
    """
    system = system_of(image.model.components)
    seen: set[tuple[str, str]] = set()
    for one in sorted(image.model.components, key=_importance):
        lifetime = lifetime_of(one.name)
        package = package_of(one, system)
        if canonical(one.name) == "linux" or lifetime is None or not one.version:
            continue
        if package is not None and package.system in _LOOKED_AFTER:
            continue
        version = one.version
        if package is not None and version == package.version:
            version = upstream_of(version, package.system)
        if (one.name, version) not in seen and version[:1].isdigit():
            seen.add((one.name, version))
            yield one, version, lifetime


def _importance(one: Component) -> int:
    return list(Started).index(one.started)


def severity_of(one: Component) -> Severity | None:
    """Let what only lies there weigh less."""
    return Severity.LOW if one.started is Started.NO else None
