"""What is known about the person and the device, and makes a bad password for that reason."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from holdfast.accounts.normal import bare, folded

_WORD_CHARS = 3
_DIGITS = 5
_MOST_CHARS = 256
_MOST_WORDS = 64
_WORD = re.compile(r"[^\W_]+")
_EVERYWHERE = (
    "admin", "administrator", "camera", "device", "gateway", "holdfast", "login", "modem", "owner",
    "passphrase", "password", "root", "router", "setup", "support", "system", "user", "welcome",
)  # fmt: skip
_NAMES = {
    "user": "your own name",
    "email": "your e-mail address",
    "vendor": "the name of the maker",
    "product": "your device's name",
    "model": "your device's model",
    "host": "the name in the network",
    "serial": "your device's serial number",
    "others": "names of products and machines here",
    "": "words that everybody tries first",
}


class Context(NamedTuple):
    """What somebody who guesses may know; leave empty what does not apply.

    Attributes:
        user: Name of the account.
        vendor: Maker of the device; on the hub, the maker whose hub it is.
        product: Id or name of the product.
        model: Model, as the label says it.
        host: Name in the network.
        serial: Serial number, or address of the network interface.
        email: E-mail address.
        setup_code: Set-up code of the device as it was typed; may not be part of a password.
        others: Further names, such as those of all products of a hub.
    """

    user: str = ""
    vendor: str = ""
    product: str = ""
    model: str = ""
    host: str = ""
    serial: str = ""
    email: str = ""
    setup_code: str = ""
    others: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Show nothing: a set-up code is a secret."""
        return "Context(...)"

    def words(self, *, everywhere: bool = False) -> dict[str, str]:
        """Give the words that a password may not be made of, and whose name each is.

        Names and their parts, the longest first, letters and digits only.

        Args:
            everywhere: Whether words that are tried on every device belong to them.
        """
        found: dict[str, str] = {}
        for field in ("user", "email", "vendor", "product", "model", "host", "serial"):
            for word in _words_of(getattr(self, field)):
                found.setdefault(word, _NAMES[field])
        for name in self.others[:_MOST_WORDS]:
            for word in _words_of(name):
                found.setdefault(word, _NAMES["others"])
        for word in _EVERYWHERE if everywhere else ():
            found.setdefault(word, _NAMES[""])
        return dict(sorted(found.items(), key=lambda item: -len(item[0])))


def letters_and_digits(text: str) -> str:
    """Drop everything else from a folded text."""
    return "".join(_WORD.findall(text))


def _words_of(name: str) -> Iterator[str]:
    form = bare(folded(name[:_MOST_CHARS]))
    parts = _WORD.findall(form)
    for word in ("".join(parts), *parts):
        # Three digits stand in many a number that nobody knows.
        if len(word) >= (_DIGITS if word.isdigit() else _WORD_CHARS):
            yield word
