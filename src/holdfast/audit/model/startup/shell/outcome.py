"""How a command ends, as far as it can be told without running it."""

from enum import Enum
from typing import NamedTuple


class Status(Enum):
    """Whether a command succeeds."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"  # its very purpose is to ask something
    LIKELY = "likely"  # it does something, and that mostly works


class Flow(Enum):
    """What runs next."""

    NEXT = "next"
    BREAK = "break"
    CONTINUE = "continue"
    RETURN = "return"
    EXIT = "exit"


class Outcome(NamedTuple):
    """Both.

    Attributes:
        status: Success.
        flow: What runs next.
    """

    status: Status = Status.LIKELY
    flow: Flow = Flow.NEXT


def of(decided: bool | None) -> Outcome:  # noqa: FBT001 - it is the answer, not a switch
    """Make an outcome of an answer."""
    return Outcome({True: Status.TRUE, False: Status.FALSE, None: Status.UNKNOWN}[decided])
