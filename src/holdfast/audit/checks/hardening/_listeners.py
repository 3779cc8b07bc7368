"""What several checks ask of the listeners of an image."""

from collections.abc import Iterator

from holdfast.audit.image import Image
from holdfast.audit.model.listeners import MAY_BE_LOCAL
from holdfast.audit.model.shapes import Listener, Started
from holdfast.audit.verdicts import Finding, Severity, Undecided

RUNNING = (Started.BOOT, Started.MAYBE, Started.DEMAND)
WEB = frozenset({"http", "https"})
_WHEN = {
    Started.BOOT: "is started at boot",
    Started.MAYBE: "is started at boot on a condition",
    Started.DEMAND: "is started on demand",
    Started.STARTABLE: "can be started",
    Started.NO: "lies there",
}


def off(image: Image, *services: str) -> Iterator[Finding]:
    """Find listeners of services that no product starts unasked.

    One that can only be started is no finding if the profile lets the owner switch it, and what
    only this system itself can reach is none.
    """
    for listener in image.model.listeners:
        if listener.service not in services or listener.started is Started.NO:
            continue
        if listener.address == "loopback":
            continue
        if listener.started in RUNNING:
            yield found(image, listener)
        elif not _switchable(image, listener.service):
            yield found(image, listener, severity=Severity.LOW)
    must_be_whole(image)


def must_be_whole(image: Image) -> None:
    """Refuse to call a listener absent where not all that starts is known, and what it does.

    Raises:
        Undecided: It is not.
    """
    must_be_followed(image)
    for program in image.model.start_up.opaque:
        raise Undecided(
            f"{program} is started, and being linked statically it does not show if it listens"
        )


def must_be_followed(image: Image) -> None:
    """Refuse to call something absent from start-up that was not followed to its end.

    Raises:
        Undecided: It was not.
    """
    for why in image.model.start_up.cut:
        raise Undecided(f"not all that starts is known: {why}")


def must_be_sure(image: Image) -> None:
    """Refuse to count as fine what may be a listener of the network, or only one of this system.

    Raises:
        Undecided: There is such a program.
    """
    for one in image.model.listeners:
        if one.started in RUNNING and MAY_BE_LOCAL in one.options:
            raise Undecided(
                f"{called(one)} waits at a socket, and nothing tells if that is one of the network"
            )


def found(
    image: Image, listener: Listener, what: str = "", *, severity: Severity | None = None
) -> Finding:
    """Make the finding of a listener, with the start-up chain that leads to it."""
    where = f"{listener.protocol} port {listener.port}" if listener.port else listener.protocol
    text = what or f"{listener.service} ({where}) {_when(image, listener)}: {called(listener)}"
    return Finding(
        where=listener.where,
        what=text,
        evidence=(*chain(image, listener), *listener.options),
        severity=severity,
    )


def _when(image: Image, listener: Listener) -> str:
    """Say when it is started; on demand means a visitor, or a time."""
    if listener.started is Started.DEMAND:
        steps = image.model.start_up.steps
        above = [steps[number] for number in listener.steps if number < len(steps)]
        if any(step.kind == "cron" or ".timer" in step.where for step in above):
            return "is started at set times"
        if any(step.kind == "inetd" or ".socket" in step.where for step in above):
            return "is started when somebody connects"
    return _WHEN[listener.started]


def chain(image: Image, listener: Listener) -> tuple[str, ...]:
    """Say how the start of the system leads to a listener, outermost first."""
    steps = image.model.start_up.steps
    named = [steps[number] for number in listener.steps if number < len(steps)]
    return tuple(f"{step.where}: {step.text}"[:200] for step in named)


def called(listener: Listener) -> str:
    """Name the program of a listener; of a running system it may be out of sight."""
    return listener.program or "a program that could not be seen"


def running(image: Image) -> list[Listener]:
    """List what runs as shipped, or may; what only this system itself can reach is left out.

    So is what may listen on no network at all, see `must_be_sure`.
    """
    return [
        one for one in image.model.listeners
        if one.started in RUNNING
        and one.address != "loopback"
        and MAY_BE_LOCAL not in one.options
    ]  # fmt: skip


def web_servers(image: Image) -> list[Listener]:
    """List the web servers that run as shipped; those that are not started only if none is.

    What only this system itself can reach is left out here as well.
    """
    every = [
        one for one in image.model.listeners
        if one.service in WEB and one.address != "loopback"
    ]  # fmt: skip
    return [one for one in every if one.started in RUNNING] or [
        one for one in every if one.started is Started.STARTABLE
    ]


def _switchable(image: Image, service: str) -> bool:
    if image.profile is None:
        return False
    return any(one.name == service and one.switchable for one in image.profile.services)
