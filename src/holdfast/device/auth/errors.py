"""Why an answer about accounts is no: each with a sentence a person understands."""

from holdfast.core.errors import HoldfastError


class AccountError(HoldfastError):
    """Something about an account was refused."""

    code = "account"
    http_status = 403
    exit_code = 1


class ClaimedError(AccountError):
    """The device has an owner already; the set-up code is burnt."""

    code = "account-claimed"
    http_status = 409
    hint = "Log in with the account that was made then."

    def __init__(self) -> None:
        super().__init__("This device already has an owner.")


class UnclaimedError(AccountError):
    """Nobody has claimed the device yet, so nobody can log in."""

    code = "account-unclaimed"
    http_status = 409
    hint = "Claim the device with the set-up code that came with it."

    def __init__(self) -> None:
        super().__init__("This device has no owner yet.")


class SetupCodeError(AccountError):
    """The set-up code is not the one of this device."""

    code = "account-setup-code"
    hint = "Copy it from the label or the leaflet; dashes, spaces and capitals do not matter."

    def __init__(self) -> None:
        super().__init__("This is not the set-up code of this device.")


class LoginError(AccountError):
    """Name and password do not belong together; which of them is wrong is never said."""

    code = "account-login"
    hint = "Check the name and the password; capitals matter in the password."

    def __init__(self) -> None:
        super().__init__("This name and this password do not belong together.")


class SlowDownError(AccountError):
    """Too many failures; the next try has to wait.

    Attributes:
        wait_s: Whole seconds until the next try is heard.
    """

    code = "account-slow-down"
    http_status = 429

    def __init__(self, *, wait_s: int) -> None:
        super().__init__(f"Too many tries. The next one is heard in {wait_s} seconds.")
        self.wait_s = wait_s
        self.hint = "Wait that long, then try again. Waiting in between changes nothing."


class HashingBusyError(AccountError):
    """Another password is being checked at this moment."""

    code = "account-busy"
    http_status = 503
    hint = "Try again in a few seconds."

    def __init__(self) -> None:
        super().__init__("The device is checking another password at this moment.")


class AccountNameError(AccountError):
    """The account name cannot be used."""

    code = "account-name"
    http_status = 422
    hint = "Use 1 to 32 letters, digits, dots, dashes or underscores, such as: ada"


class PasswordError(AccountError):
    """The password may not be used for a new account."""

    code = "account-password"
    http_status = 422
    hint = "Four or five words that do not belong together are easy to keep and hard to guess."


class AccountsFileError(AccountError):
    """The file with the accounts cannot be used."""

    code = "account-file"
    http_status = 500
    hint = "Put auth/accounts.json back from a copy, or have the device reset to factory state."
