"""What the hub refuses, in words for the person or the program that asked."""

from holdfast.core.errors import HoldfastError


class HubError(HoldfastError):
    """The hub refused or failed."""

    code = "hub"


class NotFoundError(HubError):
    """There is no such page or thing."""

    code = "not-found"
    http_status = 404
    exit_code = 2
    hint = "Check the address, or start again from the first page."


class BadRequestError(HubError):
    """What was sent cannot be understood."""

    code = "bad-request"
    http_status = 400
    exit_code = 2
    hint = "Check the address; programs: see what `holdfast release publish` sends."


class NotAllowedError(HubError):
    """Understood, and refused."""

    code = "not-allowed"
    http_status = 403
    exit_code = 2


class FormOutdatedError(HubError):
    """A form came without the proof that it was made here."""

    code = "form-outdated"
    http_status = 403
    hint = "Go back, load the page again and send it once more; cookies must be allowed."


class TokenError(HubError):
    """An API request came without a valid token."""

    code = "token"
    http_status = 401
    exit_code = 2
    hint = "Make a token with `holdfast hub token NAME --out FILE` or on the page Tokens."


class NoAccessError(HubError):
    """Somebody is known, and has no access here."""

    code = "no-access"
    http_status = 403
    exit_code = 2
    hint = "Ask whoever looks after the hub's central login for the group that staff are in."


class ConfirmError(HubError):
    """A dangerous thing was asked for too long after the last proof of who asks."""

    code = "confirm"
    http_status = 403
    hint = "Show once more that it is you, then do it again."


class SetupLinkError(HubError):
    """A set-up link that opens nothing: used, expired, replaced or never made."""

    code = "setup-link"
    http_status = 410
    exit_code = 2
    hint = "Print a new one on the hub's machine with `holdfast hub setup-link`."


class TooLargeError(HubError):
    """More bytes than are taken here."""

    code = "too-large"
    http_status = 413
    exit_code = 2
    hint = "Check that it is the right file, and make it smaller."


class LengthNeededError(HubError):
    """An upload did not say how long it is."""

    code = "length-needed"
    http_status = 411
    exit_code = 2
    hint = "Send a Content-Length header instead of chunks."


class UploadError(HubError):
    """An upload is not what its address says."""

    code = "upload"
    http_status = 422
    exit_code = 2
    hint = "Send the file again; if it fails again the file changed while it was being sent."


class CrowdedError(HubError):
    """Too many wanted to write at once."""

    code = "crowded"
    http_status = 503
    hint = "Send it once more in a minute."


class DatabaseFileError(HubError):
    """The database file cannot be used."""

    code = "database-file"
    http_status = 503
    hint = "Check that the file and its folder belong to whom the hub runs as."


class InternalError(HubError):
    """Something failed that should not have."""

    code = "internal"
    http_status = 500

    def __init__(self, *, number: str) -> None:
        super().__init__("something failed in the hub; nothing was changed by this request")
        self.hint = f"The hub's log says more under the number {number}."


class MethodError(HubError):
    """The address is right, the method is not."""

    code = "method"
    http_status = 405
    exit_code = 2
    hint = "Use a method that is named here."
