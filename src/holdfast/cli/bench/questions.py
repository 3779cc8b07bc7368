"""Questions that a careful reader asks a report of an audit."""

import re
from collections.abc import Callable, Iterable

from holdfast.audit.model.shapes import Account, Component, Listener, Started
from holdfast.audit.report.shapes import Checked, Placed, Report
from holdfast.audit.verdicts import Verdict

RUNS = frozenset({Started.BOOT, Started.MAYBE, Started.DEMAND})


def checked(report: Report, rule: str) -> Checked:
    """Give what one check decided."""
    return next(one for one in report.checks if one.rule == rule)


def fails(report: Report, rule: str, place: str = "") -> bool:
    """Tell whether a check fails, at a place that begins so."""
    one = checked(report, rule)
    return one.verdict is Verdict.FAIL and any(_at(finding, place) for finding in one.findings)


def _at(finding: Placed, place: str) -> bool:
    return finding.where.startswith(place)


def holds(report: Report, rule: str) -> bool:
    """Tell whether nothing that a check looks for was found, for whatever reason."""
    return checked(report, rule).verdict in {Verdict.PASS, Verdict.NOT_APPLICABLE}


def components(report: Report, name: str) -> list[Component]:
    """Give the components of a name."""
    return [one for one in report.model.components if one.name == name]


def has(name: str, version: str, where: str = "") -> Callable[[Report], bool]:
    """Ask for a component, and that a place that begins so holds it."""
    return lambda report: any(
        one.version == version and any(place.startswith(where) for place in one.where)
        for one in components(report, name)
    )


def listeners(report: Report, service: str) -> list[Listener]:
    """Give the listeners of a service."""
    return [one for one in report.model.listeners if one.service == service]


def serves_as_root(service: str, program: str, port: int) -> Callable[[Report], bool]:
    """Ask for a listener that runs as shipped, as root."""
    return lambda report: any(
        (one.program, one.port, one.user) == (program, port, "root") and one.started in RUNS
        for one in listeners(report, service)
    )


def account(report: Report, name: str, service: str = "system") -> Account | None:
    """Give an account."""
    every = report.model.accounts
    return next((one for one in every if (one.name, one.service) == (name, service)), None)


def root_is(kind: str) -> Callable[[Report], bool]:
    """Ask for the format of the main root, as a regular expression."""
    form = re.compile(kind)
    return lambda report: any(
        volume.root and not volume.name and form.match(volume.format)
        for volume in report.opened.volumes
    )


def starts(*places: str) -> Callable[[Report], bool]:
    """Each of these places is named by a step that runs at boot."""

    def found(report: Report) -> bool:
        steps = [one for one in report.model.start_up.steps if one.started in RUNS]
        return all(any(one.where.startswith(place) for one in steps) for place in places)

    return found


def is_there(report: Report, path: str) -> bool:
    """Tell whether there is a name in the tree."""
    return any(one.path == path for one in report.files)


def is_link(report: Report, path: str, target: str) -> bool:
    """Tell whether there is such a link."""
    return any((one.path, one.target) == (path, target) for one in report.files)


def unhardened(*told: tuple[int, str]) -> Callable[[Report], bool]:
    """So many programs have a protection, says the check that counts them; too few are named."""

    def found(report: Report) -> bool:
        texts = [finding.what for finding in checked(report, "programs-hardened").findings]
        return all(
            any(re.match(rf"{count} of \d+ have {what}", text) for text in texts)
            for count, what in told
        )

    return found


def no_canary(report: Report, programs: Iterable[str]) -> bool:
    """Tell whether none of these listeners guards its stack."""
    return all(fails(report, "listener-stack-canary", program) for program in programs)


def unsigned(report: Report) -> bool:
    """Tell whether nothing checks an update."""
    return not report.model.updates.verifiers and fails(report, "update-verified")


def listed(report: Report) -> set[str]:
    """Which entries of the list of exploited vulnerabilities are about the product itself."""
    return {
        one.cve
        for one in report.vulnerabilities
        if not one.component and one.kev and one.state == "affected"
    }
