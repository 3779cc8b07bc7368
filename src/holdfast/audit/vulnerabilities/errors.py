"""Why vulnerability data was not taken in, or cannot be used."""

from pathlib import Path

from holdfast.audit.errors import AuditError


class DataError(AuditError):
    """A file is no vulnerability data that can be read, or is damaged."""

    code = "audit-data"
    exit_code = 2
    hint = "Take the file from its publisher again, and import it as it came."


class DatabaseError(AuditError):
    """The vulnerability database is missing, damaged, or of another version."""

    code = "audit-database"
    exit_code = 3
    hint = "Make it anew with `holdfast audit db import` or `holdfast audit db update`."


class SealError(DatabaseError):
    """The database is not what was sealed at the last import."""

    code = "audit-database-changed"

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} was changed after its last import, or cut short")


class SignatureError(AuditError):
    """A signed export is not signed by the key that it must be signed by."""

    code = "audit-data-signature"
    exit_code = 2
    hint = "Take it again from whoever made it, and compare the key with theirs."


class UnsignedError(SignatureError):
    """Only signed data may be taken in here, and this is not signed."""

    code = "audit-data-unsigned"
    hint = "Import a file made by `holdfast audit db export`, or take the key out of the settings."


class OlderDataError(AuditError):
    """An export is older than what is here already."""

    code = "audit-data-older"
    exit_code = 2
    hint = "Ask for a newer export; to go back on purpose, remove the database first."


class DownloadError(AuditError):
    """A publisher could not be reached, or sent something else than asked for."""

    code = "audit-download"
    http_status = 502
    exit_code = 3
    hint = (
        "Without a network, fetch the files elsewhere and give them to `holdfast audit db import`."
    )


class UnreachableError(DownloadError):
    """Nobody answers at the address of a publisher: asking for his other files is in vain."""

    def __init__(self, host: str, why: str) -> None:
        super().__init__(f"{host} cannot be reached: {why}")
        self.host = host
