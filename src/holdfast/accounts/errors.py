"""Why something about accounts was refused."""

from typing import TYPE_CHECKING

from holdfast.core.errors import HoldfastError

if TYPE_CHECKING:  # dataclasses cost a resident process of the device two megabytes
    from holdfast.accounts.directories.answers import StepName

_MINUTE_S = 60
_SECONDS_UP_TO = 2 * _MINUTE_S


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


class DirectoryChildError(AccountsError):
    """The child that asks servers gave no answer; nobody gets in because of it."""

    code = "accounts-directory-child"
    http_status = 503
    exit_code = 3
    hint = "Try again; if it stays so, look into the log of the device or of the hub."

    def __init__(self, reason: str = "") -> None:
        told = f": {reason}" if reason else "."
        super().__init__(f"The servers of central login could not be asked{told}")


class ReachError(AccountsError):
    """A server could not be reached, or nothing that could be relied on came back.

    Attributes:
        step: Where it failed, a `StepName` of `directories.answers`.
        reason: A sentence for an administrator; no secret in it.
    """

    code = "accounts-reach"
    http_status = 503
    exit_code = 3

    def __init__(self, step: "StepName", reason: str) -> None:
        super().__init__(reason)
        self.step: StepName = step
        self.reason = reason


class CostError(AccountsError):
    """A cost of hashing is below the floor, or beyond what a machine bears."""

    code = "accounts-cost"
    hint = "Use what `calibrate` chooses."

    def __init__(self, reason: str) -> None:
        super().__init__(f"Passwords cannot be hashed at this cost: {reason}.")


class StoredHashError(AccountsError):
    """What is stored instead of a password cannot be used."""

    code = "accounts-stored-hash"
    http_status = 500
    exit_code = 3
    hint = "Put the accounts back from a copy, or have the password set anew."

    def __init__(self, reason: str) -> None:
        super().__init__(f"A stored password hash cannot be used: {reason}.")


class UnknownKeyError(AccountsError):
    """Something was hashed or sealed with a key that is not here."""

    code = "accounts-unknown-key"
    http_status = 500
    exit_code = 3
    hint = "Copies from another device or hub, or from before a reset, are worthless here."

    def __init__(self, key_id: str) -> None:
        super().__init__(f"This needs the key {key_id} of accounts, which is not here.")


class DeviceKeysError(AccountsError):
    """The file with the own keys of a device or hub cannot be used."""

    code = "accounts-device-keys"
    http_status = 500
    exit_code = 3
    hint = "Put the file back from a copy of this very machine; a device can also be reset."

    def __init__(self, reason: str) -> None:
        super().__init__(f"The keys of accounts cannot be used: {reason}.")


class SecretError(AccountsError):
    """A text cannot be hashed as it is."""

    code = "accounts-secret"
    hint = "Use 1 to 256 characters of ordinary text."

    def __init__(self, reason: str) -> None:
        super().__init__(f"This cannot be hashed: {reason}.")


class LegacyHashError(AccountsError):
    """A hash of an older product is not taken over.

    Attributes:
        reason: Why, without any of the hash.
    """

    code = "accounts-legacy-hash"
    hint = "Leave this account out, and have its password set anew."

    def __init__(self, reason: str) -> None:
        super().__init__(f"This hash is not taken over: {reason}.")
        self.reason = reason


class ExpiredHashError(AccountsError):
    """The password is right, but was taken over too long ago to be good still."""

    code = "accounts-expired-hash"
    http_status = 403
    exit_code = 1
    hint = "Have a new password set."

    def __init__(self) -> None:
        super().__init__("This password was taken over from an older product, and its time is up.")


class HashingBusyError(AccountsError):
    """Other passwords are being checked, and no more memory is spent on that.

    Attributes:
        retry_after_s: Whole seconds after which a new try makes sense.
    """

    code = "accounts-busy"
    http_status = 503
    exit_code = 3
    hint = "Try again in a few seconds."

    def __init__(self, *, retry_after_s: int = 2) -> None:
        super().__init__("Other passwords are being checked at this moment.")
        self.retry_after_s = retry_after_s


class HashingError(AccountsError):
    """The child that hashes gave no answer; nobody gets in because of it."""

    code = "accounts-hashing"
    http_status = 500
    exit_code = 3
    hint = "Try again; if it stays so, there may be too little memory."

    def __init__(self, reason: str) -> None:
        super().__init__(f"The password could not be checked: {reason}.")


class VaultError(AccountsError):
    """A sealed secret does not open."""

    code = "accounts-vault"
    http_status = 500
    exit_code = 3
    hint = "Enter the secret anew."

    def __init__(self, reason: str) -> None:
        super().__init__(f"A sealed secret cannot be opened: {reason}.")


class PasswordRefusedError(AccountsError):
    """A password may not be set.

    Attributes:
        reason: Stable word for programs, one of `holdfast.accounts.policy.REASONS`.
    """

    code = "accounts-password"
    http_status = 422
    exit_code = 1

    def __init__(self, reason: str, told: str, way_out: str) -> None:
        super().__init__(told)
        self.reason = reason
        self.hint = way_out


class BlockListError(AccountsError):
    """A block list is missing, damaged or not signed; no password is set without it."""

    code = "accounts-block-list"
    http_status = 503
    exit_code = 3
    hint = "Put back the list as it was delivered, or build and sign it anew."

    def __init__(self, where: object, reason: str) -> None:
        super().__init__(f"The block list {where} cannot be used: {reason}.")


class ListFileError(AccountsError):
    """A file from which a block list is to be built cannot be used."""

    code = "accounts-list-file"
    hint = "Give text files with one password per line, plain or compressed as .xz or .gz."


class RadiusReplyError(AccountsError):
    """A packet is no answer of a RADIUS server that can be believed.

    Attributes:
        fault: `malformed`: it is not RADIUS; `foreign`: it belongs to no question of ours;
            `signature`: signed with another secret, or changed on the way; `unsigned`: without
            Message-Authenticator.
    """

    code = "accounts-radius-reply"
    http_status = 503
    exit_code = 3

    def __init__(self, fault: str, what: str) -> None:
        super().__init__(f"This is no answer to believe: {what}")
        self.fault = fault


class RadiusSilenceError(ReachError):
    """A RADIUS server says nothing at all."""

    code = "accounts-radius-silence"


def _span(wait_s: int) -> str:
    """Write how long to wait: `1 second`, `90 seconds`, `15 minutes`."""
    if wait_s <= _SECONDS_UP_TO:
        return f"{wait_s} second" + ("s" if wait_s != 1 else "")
    return f"{-(-wait_s // _MINUTE_S)} minutes"


class ThrottledError(AccountsError):
    """Too many failures; the next try has to wait.

    Attributes:
        wait_s: Whole seconds until the next try is heard.
        switched_off: Whether waiting does not help where the try came from.
    """

    code = "account-slow-down"
    http_status = 429
    exit_code = 1

    def __init__(self, *, wait_s: int, switched_off: bool = False) -> None:
        told = f"Too many tries. The next one is heard in {_span(wait_s)}."
        hint = "Wait that long, then try again. Waiting in between changes nothing."
        if switched_off:
            told = "After too many tries, passwords are no longer heard from a new browser."
            hint = (
                "Log in from a browser in which you logged in before, or use a recovery code here."
            )
        super().__init__(told)
        self.wait_s = wait_s
        self.switched_off = switched_off
        self.hint = hint


class ThrottleFileError(AccountsError):
    """The counts of failed logins are damaged; they begin anew, with long waits for strangers."""

    code = "accounts-throttle-file"
    http_status = 500
    exit_code = 3
    hint = "Nothing need be done: a browser that is known gets in at once, others wait."

    def __init__(self) -> None:
        super().__init__("The counts of failed logins are damaged.")
