"""An account while its password is still at hand."""

from dataclasses import dataclass

from holdfast.audit.model.accounts.hashes import Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a file says of an account; it stays in this process, see `Account` for the rest.

    Attributes:
        name: Login name.
        where: `path:line` or `path@offset`.
        service: As in `Account`.
        kept: The password.
        uid: As in `Account`.
        shell: As in `Account`.
        login: As in `Account`.
    """

    name: str
    where: str
    service: str
    kept: Kept
    uid: int | None = None
    shell: str = ""
    login: bool = True
