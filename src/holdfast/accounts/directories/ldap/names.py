"""Names of people inside names for the directory.

Source:
    RFC 4514, 2.4 (escaping).
"""

import re

_SPECIAL = frozenset('"+,;<>\\=')
_LAST_CONTROL = 0x20
_DELETE = 0x7F
_NO_ACCOUNT = re.compile(r'["/\\\[\]:;|=,+*?<>@\s]')


def escaped(value: str) -> str:
    """Write a value so that it stays one value of a DN."""
    last = len(value) - 1
    return "".join(_escaped(each, at, last) for at, each in enumerate(value))


def _escaped(character: str, at: int, last: int) -> str:
    if ord(character) < _LAST_CONTROL or ord(character) == _DELETE:
        return f"\\{ord(character):02x}"
    if character in _SPECIAL or (character == "#" and at == 0):
        return "\\" + character
    if character == " " and at in {0, last}:
        return "\\ "
    return character


def is_dn(template: str) -> bool:
    """Tell a DN from what Active Directory takes in its place (`ada@example.test`)."""
    return "=" in template


def fits_account(name: str) -> bool:
    """Tell whether a name may stand in an account name of Active Directory.

    An `@` or a backslash in it would choose another domain.
    """
    return _NO_ACCOUNT.search(name) is None
