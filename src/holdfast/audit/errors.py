"""What can go wrong between an image and its report."""

import lzma
import struct
import zlib
from typing import Final

from holdfast.core.errors import HoldfastError, UsageError


class AuditError(HoldfastError):
    """An image could not be judged."""

    code = "audit"
    http_status = 422
    exit_code = 3


class SubjectError(AuditError, UsageError):
    """What is to be judged is missing, unreadable, or no file or folder."""

    code = "audit-subject"
    exit_code = 2


class ChildError(AuditError):
    """The confined child ended without a report, or sent nonsense."""

    code = "audit-child"


class ReportError(AuditError):
    """A report from an earlier audit cannot be read."""

    code = "audit-report"
    exit_code = 2


class FormatError(AuditError):
    """Bytes are not the format that they claim to be, or are damaged.

    A reader raises it; the opening then names the piece as not opened, with this reason.
    """

    code = "audit-format"


class LimitError(AuditError):
    """A limit on time, memory, bytes, files or depth was reached.

    Attributes:
        limit: Name of the limit, as in `Limits`.
        most: Its value.
    """

    code = "audit-limit"

    def __init__(self, *, limit: str, most: float) -> None:
        super().__init__(f"the limit {limit} = {amount(limit, most)} was reached")
        self.limit = limit
        self.most = most
        self.hint = f"Give more with --limit {limit}=NUMBER, if you trust where the image is from."


def amount(limit: str, most: float) -> str:
    """Write the value of a limit as `--limit` takes it, such as `512M`."""
    whole = int(most)
    units = {"G": 1 << 30, "M": 1 << 20, "K": 1 << 10} if limit.endswith("_bytes") else {}
    for unit, step in units.items():
        if whole and whole % step == 0:
            return f"{whole // step}{unit}"
    return str(whole) if whole == most else f"{most:g}"


MISTAKES: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    AuditError,
    ImportError,
    LookupError,
    MemoryError,
    NameError,
    OSError,
    RuntimeError,
    StopIteration,
    TypeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    zlib.error,
)
"""What a mistake in one reader or one check may show itself as; none may cost the report."""
