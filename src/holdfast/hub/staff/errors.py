"""What is refused at the door."""

from holdfast.hub.errors import HubError


class ProviderError(HubError):
    """A provider of OpenID Connect did not say who somebody is."""

    code = "openid"
    http_status = 502
    exit_code = 3
    hint = (
        "Start the login again. If it stays so, compare [[openid]] in hub.toml with the provider."
    )

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"the login with {name} did not work: {reason}")


class StepLostError(HubError):
    """The second step of a login came too late, or without the first."""

    code = "login-step"
    http_status = 403
    hint = "Log in again from the beginning."


class SessionsFullError(HubError):
    """Too many logins that need a session were begun and not ended."""

    code = "logins-full"
    http_status = 503
    hint = "Wait a few minutes, or log in with your password."
