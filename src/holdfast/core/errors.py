"""The root of all errors: what a person, a program and a page need to know of a refusal."""

from typing import ClassVar


class HoldfastError(Exception):
    """Something was refused or failed, and the message says what.

    Attributes:
        code: Stable name for programs, lower-case words joined by hyphens.
        http_status: Status with which a server answers.
        exit_code: Exit code of a command: 1 findings, 2 usage, 3 could not decide.
        hint: What the reader can do about it, one sentence; empty if nothing.
    """

    code: ClassVar[str] = "holdfast"
    http_status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 3
    hint: str = ""


class UsageError(HoldfastError):
    """The caller asked for something that makes no sense as asked."""

    code = "usage"
    http_status = 400
    exit_code = 2


class NoSpaceError(HoldfastError):
    """A disk is full; what was there before is untouched."""

    code = "no-space"
    http_status = 507
    hint = "Free some space and try again; nothing was half-written."


class PortTakenError(HoldfastError):
    """Another program listens where this one should."""

    code = "port-taken"
    exit_code = 2

    def __init__(self, *, host: str, port: int) -> None:
        super().__init__(f"{host}:{port} is in use by another program")
        self.hint = f"Stop the program that listens on port {port}, or choose another port."


class BusyError(HoldfastError):
    """Somebody else holds what only one may hold."""

    code = "busy"
    http_status = 409
    exit_code = 2
