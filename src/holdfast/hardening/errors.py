"""Refusals of the hardening rules. Standard library only: the broker uses them."""

from holdfast.core.errors import HoldfastError


class VerbError(HoldfastError):
    """A call across a privilege border was refused before anything was done."""

    code = "verb"
    http_status = 400
    exit_code = 2


class MalformedCallError(VerbError):
    """A packet is not a call: not JSON, too long, or of another shape."""

    code = "verb-malformed"
    hint = "Send one JSON object with exactly v, id, verb and args, 4096 bytes at most."


class UnknownVerbError(VerbError):
    """The table has no such verb."""

    code = "verb-unknown"
    http_status = 404
    hint = "docs/reference/broker-verbs.md lists every verb there is."


class ArgumentError(VerbError):
    """An argument is missing, unknown, of another type or out of bounds."""

    code = "verb-argument"


class CallerError(VerbError):
    """The table does not let this caller use the verb."""

    code = "verb-caller"
    http_status = 403
    hint = "Only the callers named in docs/reference/broker-verbs.md may use it."


class ProofError(VerbError):
    """The call needs the owner's proof, and has none that holds."""

    code = "verb-proof"
    http_status = 403
    exit_code = 1
    hint = "Confirm with your password or a code, and do it within a minute."

    def __init__(self) -> None:
        super().__init__("This has to be confirmed by an owner of the device.")


class RateError(VerbError):
    """The caller used the verb too often."""

    code = "verb-rate"
    http_status = 429
    hint = "Wait a moment and try again."
