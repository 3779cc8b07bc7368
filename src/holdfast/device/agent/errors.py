"""What goes wrong between the device and its hub, told apart by what to do next."""

from holdfast.core.errors import HoldfastError


class HubError(HoldfastError):
    """The hub gave no usable answer; the device tries again later."""

    code = "hub"
    http_status = 503
    hint = "The device tries again by itself."


class HubUnreachableError(HubError):
    """No connection, or it broke off or became too slow."""

    code = "hub-unreachable"


class HubBusyError(HubError):
    """The hub answers, but not now (429 or 5xx)."""

    code = "hub-busy"


class HubStrangerError(HubError):
    """The hub does not know this device or its token (401, 403)."""

    code = "hub-stranger"
    hint = "The manufacturer must register this device on the hub, or give it a new token."


class TokenError(HubError):
    """The device's own token cannot be used."""

    code = "hub-token"
    hint = "The manufacturer must give this device a new token, in factory/token."

    def __init__(self) -> None:
        super().__init__("This device cannot read its token for the update server.")


class HubGarbageError(HubError):
    """The hub answers something that is not the protocol."""

    code = "hub-garbage"


class GoneError(HubError):
    """The hub has no such thing, or no longer (404, 410)."""

    code = "hub-gone"
    http_status = 404


class RejectedError(HubError):
    """The hub will never take what was sent (other 4xx)."""

    code = "hub-rejected"
    http_status = 400


class NothingOfferedError(HoldfastError):
    """There is no release that could be installed or put off."""

    code = "agent-nothing-offered"
    http_status = 409
    exit_code = 2
    hint = "Look for updates first."

    def __init__(self) -> None:
        super().__init__("There is no update to decide about at this moment.")


class WindowError(HoldfastError):
    """The chosen window makes no sense."""

    code = "agent-window"
    http_status = 422
    exit_code = 2
    hint = "Leave at least half an hour between the two times."

    def __init__(self) -> None:
        super().__init__("These hours are too short for an update.")
