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


class TooKnownError(HubError):
    """A password of another product is right, but it is one that everybody tries first."""

    code = "login-too-known"
    http_status = 403
    exit_code = 2
    hint = "Have a new one set on the hub's machine, with `holdfast hub accounts password NAME`."

    def __init__(self) -> None:
        super().__init__("this old password is too well known to be let in with")
