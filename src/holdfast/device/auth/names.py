"""Names of accounts: the form in which they are kept and compared."""

import re
import unicodedata

from holdfast.device.auth.errors import AccountNameError

LONGEST = 128
_NAME = re.compile(r"[^\W_](?:[\w.-]{0,30}[^\W_])?", re.ASCII)


def typed_form(typed: str) -> str:
    """Give the form in which a directory is asked for a name: NFKC, without blanks around it."""
    return unicodedata.normalize("NFKC", typed[: 4 * LONGEST]).strip()[:LONGEST]


def folded(typed: str) -> str:
    """Give the form in which names are compared here."""
    return typed_form(typed).casefold()[:LONGEST]


def name_of(typed: str) -> str:
    """Give the name of a new account.

    Raises:
        AccountNameError: It cannot be used.
    """
    name = folded(typed)
    if not _NAME.fullmatch(name):
        raise AccountNameError("This account name cannot be used.")
    return name


def shown(name: str) -> str:
    """Write a name in printable ASCII, 1 to 64 characters, for a proof and a journal."""
    text = name if name.isascii() and name.isprintable() else ascii(name)[1:-1]
    return text[:64] or "-"
