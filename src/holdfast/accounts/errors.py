"""Why something about accounts was refused."""

from holdfast.core.errors import HoldfastError


class AccountsError(HoldfastError):
    """The base of all errors of this package."""

    code = "accounts"
    http_status = 422
    exit_code = 2


class CentralSettingsError(AccountsError):
    """The settings of central login are faulty."""

    code = "accounts-central-settings"
    hint = "Mend the named places; docs/how-to/log-in-centrally.md shows whole examples."

    def __init__(self, reason: str) -> None:
        super().__init__(f"The settings of central login cannot be used: {reason}")
