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


class TooLateError(AccountError):
    """The device was switched on too long ago to be claimed."""

    code = "account-too-late"
    http_status = 403
    hint = "Switch the device off and on again, and claim it within the next minutes."

    def __init__(self) -> None:
        super().__init__("This device was switched on too long ago to be claimed.")


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


class SecondError(AccountError):
    """The code is not the one that the app shows, nor an unused recovery code."""

    code = "account-second"
    hint = "Take the code that the app shows now; each is good once. Or a recovery code."

    def __init__(self) -> None:
        super().__init__("This code is not right, or was used already.")


class CodeWantedError(AccountError):
    """The account has a second factor, and a password alone changes nothing that opens it."""

    code = "account-code-wanted"
    http_status = 422
    hint = "Type the code that the app shows now as well, or a recovery code."

    def __init__(self) -> None:
        super().__init__("This account has a second factor: its code is needed as well.")


class SecondSetError(AccountError):
    """There is an app already, and none is put in its place without a code of it."""

    code = "account-second-set"
    http_status = 409
    hint = "Take the present app away first; a code of it or a recovery code is needed for that."

    def __init__(self) -> None:
        super().__init__("Codes of an app are asked for already.")


class TooKnownError(AccountError):
    """A password of an older product is right, but it is one that everybody tries first."""

    code = "account-too-known"
    hint = "Have an owner of the device remove the account, and add it anew with a new password."

    def __init__(self) -> None:
        super().__init__("This password is too well known to be let in with.")


class PendingError(AccountError):
    """There is no login that waits for a second factor."""

    code = "account-pending"
    http_status = 409
    hint = "Log in with name and password again."

    def __init__(self) -> None:
        super().__init__("This login took too long, or was tried too often.")


class NoAccountError(AccountError):
    """This device keeps no account with this name."""

    code = "account-unknown"
    http_status = 404
    hint = "Accounts of a central directory are changed there."

    def __init__(self) -> None:
        super().__init__("This device keeps no account with this name.")


class OwnerOnlyError(AccountError):
    """Only an owner may confirm this."""

    code = "account-owner-only"
    hint = "Ask an owner of the device to do it."

    def __init__(self) -> None:
        super().__init__("Only an owner of the device may do this.")


class NoProofError(AccountError):
    """The device was started without what proofs are made with."""

    code = "account-no-proof"
    http_status = 503
    hint = "Restart the device."

    def __init__(self) -> None:
        super().__init__("This cannot be confirmed now.")


class AccountTakenError(AccountError):
    """There is an account with this name already, or there are too many."""

    code = "account-taken"
    http_status = 409


class LastOwnerError(AccountError):
    """The last owner cannot be removed: nobody could mend the device any more."""

    code = "account-last-owner"
    http_status = 409
    hint = "To give the device away, have it reset to factory state."

    def __init__(self) -> None:
        super().__init__("This is the last owner of the device.")


class RoleError(AccountError):
    """The product profile has no such role."""

    code = "account-role"
    http_status = 422


class CentralError(AccountError):
    """Central login cannot be set up like this."""

    code = "account-central"
    http_status = 422


class CentralUnavailableError(AccountError):
    """No server that could say who this is gave an answer."""

    code = "account-unavailable"
    http_status = 503
    hint = "Try again later, or log in with the emergency account."

    def __init__(self) -> None:
        super().__init__("The servers that know the accounts do not answer.")


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


class SamePasswordError(PasswordError):
    """The new password is the one that is to be replaced."""

    reason = "same"
    hint = "Choose one that you have never used here, such as the suggested one."

    def __init__(self) -> None:
        super().__init__("The new password is the old one.")


class AccountsFileError(AccountError):
    """The file with the accounts cannot be used."""

    code = "account-file"
    http_status = 500
    hint = "Put auth/accounts.json back from a copy, or have the device reset to factory state."


class CentralFileError(AccountError):
    """The file with the settings of central login cannot be used."""

    code = "account-central-file"
    http_status = 500
    hint = "An owner whose account this device keeps can log in, and write the settings anew."
