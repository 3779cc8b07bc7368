"""E-mail addresses: which ones are written to, and how they are counted without being kept."""

import hashlib
import re

from django.utils.crypto import salted_hmac

from holdfast.hub.owners.errors import AddressError

LONGEST = 254
LONGEST_LOCAL = 64
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def checked(given: object) -> str:
    """Return the address in the form in which mail is sent to it.

    The part before the @ keeps its case. The domain becomes lower-case ASCII, so that a name
    such as bücher.example is written as every mail server understands it.

    Args:
        given: What a device claims its owner typed; of any type and length.

    Raises:
        AddressError: It is no address, is too long, or holds anything that could become a
            second header or a second recipient.

    Source:
        RFC 5321, 4.1.2 and 4.5.3.1; RFC 5891.
    """
    if not isinstance(given, str):
        raise AddressError("the address is not a text")
    text = given.strip(" ")
    if len(text) > LONGEST:
        raise AddressError(f"the address is longer than {LONGEST} characters")
    local, at, domain = text.rpartition("@")
    if "=?" in local:
        # Mail programs read `=?utf-8?q?...?=` in a header as other characters: another recipient.
        raise AddressError("this is not an e-mail address we can write to")
    if not at or len(local) > LONGEST_LOCAL or not _LOCAL.fullmatch(local):
        raise AddressError("this is not an e-mail address we can write to")
    address = f"{local}@{_domain(domain)}"
    if len(address) > LONGEST:
        raise AddressError(f"the address is longer than {LONGEST} characters")
    return address


def _domain(text: str) -> str:
    try:
        name = text.encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise AddressError("the part after the @ is not the name of a mail domain") from error
    labels = name.split(".")
    # A bare name would be a machine of ours, and digits at the end an address of the network.
    named = len(labels) > 1 and not labels[-1].isdigit()
    if not named or not all(_LABEL.fullmatch(label) for label in labels):
        raise AddressError("the part after the @ is not the name of a mail domain")
    return name


def key(address: str) -> str:
    """Return the digest under which limits count an address, 64 hexadecimal digits.

    It is keyed with the hub's secret key: who has the tables alone cannot guess addresses by it.
    """
    return salted_hmac("holdfast.owners.address", address.lower(), algorithm="sha256").hexdigest()


def digest(token: str) -> str:
    """Return what is kept of a token in a link, 64 hexadecimal digits."""
    return hashlib.sha256(token.encode()).hexdigest()
