"""Why the broker refuses, or fails. Standard library only."""

from holdfast.core.errors import HoldfastError


class SlotError(HoldfastError):
    """The slots are not in a state in which this can be done."""

    code = "slot"
    http_status = 409
    exit_code = 2


class UnprovenError(SlotError):
    """The running slot is still being tried; the other one is its way back."""

    code = "slot-unproven"
    hint = "Wait until the running version has proved itself, then install."


class NothingReadyError(SlotError):
    """No slot holds a release that could be tried."""

    code = "slot-nothing-ready"
    hint = "Install a release first."


class NotTryingError(SlotError):
    """The running slot is not being tried, so there is nothing to confirm or give up."""

    code = "slot-not-trying"


class NotProvenError(SlotError):
    """The launcher has not yet seen the running slot healthy."""

    code = "slot-not-proven"
    hint = "Try again in a moment."


class StagingError(SlotError):
    """What the agent staged is not what may be staged."""

    code = "slot-staging"
    hint = "Download the release again."


class VerifierError(HoldfastError):
    """The verifier could not decide; that is never taken for a yes."""

    code = "slot-verifier"
    hint = "Nothing was changed. Try again; if it stays so, tell the manufacturer."


class UnpackError(HoldfastError):
    """A verified image could not be written to the slot."""

    code = "slot-unpack"
    hint = "The version that runs is untouched. The manufacturer must look at the image."


class StateError(HoldfastError):
    """The state of the slots cannot be read."""

    code = "slot-state"
    hint = "Restart the device: the state is then found again from the slots."
