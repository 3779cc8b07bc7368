"""From text to what TACACS+ can carry, and from its arguments to claims.

Source:
    RFC 8907 3.7 (text), 6.1, 8.1, 8.2 and 10.5.4 (arguments), 9 (privilege levels).
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator

from holdfast.accounts.directories.answers import Claim
from holdfast.accounts.directories.tacacs.bodies import MOST_OCTETS
from holdfast.accounts.errors import AccountsError

_ALWAYS_UNDERSTOOD = frozenset({"service", "cmd", "protocol", "priv-lvl"})
_MOST_TASK = 64
_ARGUMENT = re.compile(r"(?P<name>[^=*]+)(?P<sign>[=*])(?P<value>.*)")
_LEVEL = re.compile(r"0?[0-9]|1[0-5]")


class UnfitError(AccountsError):
    """TACACS+ cannot carry a name or a password, or an argument cannot be obeyed.

    Attributes:
        reason: What, without the text itself.
    """

    code = "accounts-tacacs-unfit"

    def __init__(self, reason: str) -> None:
        super().__init__(f"This does not fit TACACS+: {reason}.")
        self.reason = reason


def octets(what: str, text: str) -> bytes:
    """Encode a name or a password.

    Args:
        what: What it is, to be named in an error.
        text: It is sent exactly so.

    Raises:
        UnfitError: It is empty, too long, or no text that a server could know.
    """
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        raise UnfitError(f"the {what} has control characters or halves of characters")
    content = text.encode()
    if not 0 < len(content) <= MOST_OCTETS:
        raise UnfitError(f"the {what} must have 1 to {MOST_OCTETS} octets, not {len(content)}")
    return content


def source_of(text: str) -> bytes:
    """Encode the address of a browser; what is none is left out, since it is for a log only."""
    fits = text.isascii() and text.isprintable() and len(text) <= MOST_OCTETS
    return text.encode() if fits else b""


def task_must_fit(text: str) -> None:
    """Refuse what cannot be the number of a session in a record.

    Raises:
        UnfitError: It is not printable ASCII of 1 to 64 characters.
    """
    if not (text.isascii() and text.isprintable() and 0 < len(text) <= _MOST_TASK):
        raise UnfitError(f"the task must be printable ASCII of 1 to {_MOST_TASK} characters")


def claims_of(arguments: Iterable[bytes], *, understood: Collection[str]) -> tuple[Claim, ...]:
    """Read what an authorisation brought.

    Args:
        arguments: As they came.
        understood: Attributes, in small letters, on which somebody here acts.

    Returns:
        The lowest level that was named, if any, and every other attribute. No level means no
        level: never the highest, and not the one that was asked for.

    Raises:
        UnfitError: An argument is no argument, or is mandatory and nobody here acts on it; to be
            taken for a no (RFC 8907 10.5.4).
    """
    known = _ALWAYS_UNDERSTOOD | frozenset(understood)
    levels: list[int] = []
    claims: list[Claim] = []
    for name, mandatory, value in map(_cut, arguments):
        if name == "priv-lvl":
            levels += _levels(value, mandatory=mandatory)
        elif name in known or not mandatory:
            claims.append(Claim(kind="attribute", name=name, value=value))
        else:
            raise UnfitError(
                f"the server demands that {name!r} is obeyed, and no rule for roles names it: make"
                f" it optional on the server ({name}*...), or name it in a rule"
            )
    return (*_lowest(levels), *claims)


def _cut(argument: bytes) -> tuple[str, bool, str]:
    try:
        text = argument.decode()
    except UnicodeDecodeError:
        text = ""
    found = _ARGUMENT.fullmatch(text) if text.isprintable() else None
    if found is None:
        raise UnfitError("the server sent an argument that is not a name with a value")
    return found["name"].lower(), found["sign"] == "=", found["value"]


def _levels(value: str, *, mandatory: bool) -> Iterator[int]:
    if _LEVEL.fullmatch(value):
        yield int(value)
    elif mandatory:
        raise UnfitError("the server sent a privilege level that is not 0 to 15")


def _lowest(levels: Collection[int]) -> Iterator[Claim]:
    if levels:
        yield Claim(kind="level", value=str(min(levels)))
