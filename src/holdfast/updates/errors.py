"""Why a release is refused, in sentences that the owner of a device understands."""

from typing import ClassVar

from holdfast.core.errors import HoldfastError


class UpdateError(HoldfastError):
    """An update was refused; what ran before keeps running.

    Attributes:
        sentence: What is said when the place that refuses has nothing more exact to say.
    """

    code = "update"
    http_status = 409
    exit_code = 1
    sentence: ClassVar[str] = "The update was refused."
    hint = "Nothing was changed. Try again later, or ask the manufacturer."

    def __init__(self, sentence: str = "") -> None:
        super().__init__(sentence or self.sentence)


class RollbackError(UpdateError):
    """The release, or the list that names it, is not newer than what was seen before.

    Source:
        TUF specification, section 1.5.2, rollback attack.
    """

    code = "update-rollback"
    sentence = "The offered version is not newer than the one that is installed."
    hint = "Nothing was changed. The manufacturer must publish it again under a higher version."


class BelowFloorError(UpdateError):
    """The release is older than the oldest version that is still safe."""

    code = "update-below-floor"
    sentence = "The offered version has holes that were closed here before."
    hint = "Nothing was changed. Wait for a newer version."


class WrongProductError(UpdateError):
    """The release was made for another product."""

    code = "update-wrong-product"
    sentence = "The offered software was made for another product."
    hint = "Nothing was changed. The manufacturer must offer the release of this product."


class WrongHardwareError(UpdateError):
    """The release does not fit this hardware revision."""

    code = "update-wrong-hardware"
    sentence = "The offered software does not fit this device's hardware revision."
    hint = "Nothing was changed. The manufacturer must offer a release for this revision."


class ExpiredError(UpdateError):
    """What was offered was valid once and is no longer; somebody may hold back newer software.

    Source:
        TUF specification, section 1.5.2, indefinite freeze attack.
    """

    code = "update-expired"
    sentence = "What the hub says about updates is out of date."
    hint = "Nothing was changed. If this stays so for days, tell the manufacturer."


class ClockError(ExpiredError):
    """The clock is so far from what is signed that freshness cannot be judged."""

    code = "update-clock"
    sentence = (
        "This device's clock seems to be wrong, so nobody can tell whether updates are fresh."
    )
    hint = "Set the date and time of this device, then check for updates again."


class MixedMetadataError(UpdateError):
    """Signed files of different moments were put together.

    Source:
        TUF specification, section 1.5.2, mix-and-match attack.
    """

    code = "update-mixed-metadata"
    sentence = "The hub's files about updates do not belong together."
    hint = "Nothing was changed. Check again later; if it stays so, tell the manufacturer."


class ForeignKeyError(UpdateError):
    """The signature is by a key that has no say here."""

    code = "update-foreign-key"
    sentence = "The update is signed by somebody other than the manufacturer."
    hint = "Nothing was changed. Tell the manufacturer: somebody may be attacking this device."


class BelowThresholdError(UpdateError):
    """The signatures are genuine, but there are too few of them."""

    code = "update-below-threshold"
    sentence = "Too few of the manufacturer's people have signed this update."
    hint = "Nothing was changed. The manufacturer must have the missing signatures added."


class TamperedError(UpdateError):
    """The content is not what was signed."""

    code = "update-tampered"
    sentence = "The file is not the one that the manufacturer signed."
    hint = "Nothing was changed. It will be fetched again; if it stays so, tell the manufacturer."


class TooLongError(UpdateError):
    """More arrives than was announced.

    Source:
        TUF specification, section 1.5.2, endless data attack.
    """

    code = "update-too-long"
    sentence = "The hub sends more than was announced, so the transfer was cut off."
    hint = "Nothing was changed. Check again later; if it stays so, tell the manufacturer."


class CutShortError(UpdateError):
    """Less arrives than was announced."""

    code = "update-cut-short"
    sentence = "The file ended too early."
    hint = "Nothing was changed. What is missing will be fetched with the next try."


class UnknownReleaseError(UpdateError):
    """Nobody with a say has signed a release of that name."""

    code = "update-unknown-release"
    http_status = 404
    sentence = "The manufacturer has not signed a release of this name."
    hint = "Nothing was changed. The manufacturer must sign and publish the release first."


class UnhealthyError(UpdateError):
    """The new software was started and did not prove itself."""

    code = "update-unhealthy"
    sentence = "The new software did not start properly, so the device went back to the old one."
    hint = "The device works as before. The manufacturer has been told."


class MetadataError(UpdateError):
    """A file about updates is missing or makes no sense."""

    code = "update-metadata"
    http_status = 422
    sentence = "The hub's files about updates cannot be read."
    hint = "Nothing was changed. Check again later; if it stays so, tell the manufacturer."


class MissingError(UpdateError):
    """The source has no file of that name; a `fetch` says so with this."""

    code = "update-missing-file"
    http_status = 404
    sentence = "The hub has no such file."


class VersionError(UpdateError):
    """A text is not a version."""

    code = "update-version"
    http_status = 422
    exit_code = 2
    sentence = "That is not a version."
    hint = "Write two or three numbers up to 999, for example 1.2 or 1.2.3."


class ReleaseError(UpdateError):
    """The description of a release makes no sense."""

    code = "update-release"
    http_status = 422
    exit_code = 2
    sentence = "The description of the release makes no sense."
    hint = "Correct the description and build the release again."


class KeyFileError(UpdateError):
    """A key file cannot be used."""

    code = "update-key"
    http_status = 422
    exit_code = 2
    sentence = "The key file cannot be used."
    hint = "Give the file of the right key; `holdfast keys status` lists them."


class PassphraseError(KeyFileError):
    """The passphrase is wrong, or the sealed part was altered: nobody can tell which."""

    code = "update-passphrase"
    sentence = "The passphrase does not open the key file."
    hint = "Try again. If you are sure of the passphrase, restore the file from your backup."


class WorkshopError(UpdateError):
    """The maker's folder is not in a state in which this can be done."""

    code = "update-workshop"
    exit_code = 2
    sentence = "The workshop cannot do that now."
    hint = "See `holdfast keys status` for what is missing."


class RepositoryError(UpdateError):
    """The hub's repository is not in a state in which this can be done."""

    code = "update-repository"
    sentence = "The repository cannot do that now."
    hint = "See the status of the repository on the hub's home page."


def _all_below(kind: type[UpdateError]) -> list[type[UpdateError]]:
    found = [kind]
    for child in kind.__subclasses__():
        found += _all_below(child)
    return found


BY_CODE: dict[str, type[UpdateError]] = {kind.code: kind for kind in _all_below(UpdateError)}
"""Every kind by its code, to make an error again that crossed a process boundary."""

REFUSALS = frozenset(
    kind.code
    for kind in (
        RollbackError,
        BelowFloorError,
        WrongProductError,
        WrongHardwareError,
        ExpiredError,
        ClockError,
        MixedMetadataError,
        ForeignKeyError,
        BelowThresholdError,
        TamperedError,
        TooLongError,
        UnknownReleaseError,
        MetadataError,
    )
)
"""Codes with which a device refuses a release before it changes anything."""


def rebuild(code: str, message: str, hint: str = "") -> UpdateError:
    """Make an error again from what crossed a process boundary; unknown codes stay readable."""
    error = BY_CODE.get(code, UpdateError)(message)
    if hint:
        error.hint = hint
    return error
