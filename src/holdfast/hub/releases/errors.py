"""What can be refused about releases."""

from holdfast.core.errors import HoldfastError


class NotJudgedError(HoldfastError):
    """The hub's audit of a release is not over."""

    code = "release-not-judged"
    http_status = 409
    exit_code = 3
    hint = "Wait for it; the page of the release shows how far it is. Is the worker running?"


class ObjectionsError(HoldfastError):
    """The hub's audit of a release says no."""

    code = "release-refused-by-audit"
    http_status = 409
    exit_code = 1
    hint = "Read the report on the page of the release; mend it, or waive it there with a reason."
