"""Who has a say: lists of keys and thresholds."""

from collections.abc import Mapping, Sequence

from holdfast.updates.errors import KeyFileError
from holdfast.updates.keys import PublicKey
from holdfast.updates.upstream import Key, Role

ROLES_OF_ROOT = ("root", "targets", "snapshot", "timestamp")


def must_suffice(keys: Sequence[PublicKey], threshold: int, role: str) -> None:
    """Refuse keys of another role, the same key twice, and a threshold that cannot be met.

    Raises:
        KeyFileError: One of these.
    """
    for key in keys:
        if key.role != role:
            raise KeyFileError(f"The key {key.keyid[:12]} was made for {key.role}, not for {role}.")
    if len({key.public for key in keys}) != len(keys):
        raise KeyFileError(f"The same key is given twice for {role}.")
    if not 1 <= threshold <= len(keys):
        raise KeyFileError(
            f"{threshold} of {len(keys)} keys for {role} is not possible: name at least as many "
            "keys as must sign, and let at least one sign."
        )


def empty_roles() -> dict[str, Role]:
    """Return the four roles of a root, with no key yet."""
    return {role: Role([], 1) for role in ROLES_OF_ROOT}


def exchange(keyids: list[str], old: str, new: str) -> None:
    """Put a key in the place of another one."""
    keyids[keyids.index(old)] = new


def used(keys: Mapping[str, Key], roles: Sequence[Role]) -> dict[str, Key]:
    """Leave out keys that no role names any more."""
    named = {keyid for role in roles for keyid in role.keyids}
    return {keyid: key for keyid, key in keys.items() if keyid in named}


def one_of(keys: Mapping[str, str], wanted: str, role: str) -> str:
    """Find a key by the beginning of its id.

    Raises:
        KeyFileError: None or several begin so, or the beginning is shorter than 8 digits.
    """
    found = [keyid for keyid in keys if keyid.startswith(wanted)]
    if len(wanted) < 8 or len(found) != 1:  # noqa: PLR2004 - shorter ones are soon ambiguous
        raise KeyFileError(f"No key of {role} has an id that begins with {wanted[:64]!r}.")
    return found[0]
