"""Small tools that pass text on, and commands that come out of them."""

import binascii
import re
from base64 import b64decode
from typing import TYPE_CHECKING, Final

from holdfast.audit.model.shapes import Started
from holdfast.audit.model.startup.graph import Context
from holdfast.audit.model.startup.shell.outcome import Outcome
from holdfast.audit.model.startup.shell.variables import Value

if TYPE_CHECKING:
    from holdfast.audit.model.startup.shell.runner import Shell

Result = tuple[Outcome, str | None]
MOST_CHARACTERS: Final = 64 * 1024
_DECODES = re.compile(
    r"\b(?:(?:base(?:64|32)|uudecode|gpg2?|xxd|gunzip|zcat)\b|openssl\s+(?:enc|base64|aes|des))"
)


def base64(shell: "Shell", words: list[Value], _context: Context) -> Result:
    """Decode what stands in the script itself."""
    flags = {word.text for word in words[1:] if word.text.startswith("-")}
    names = [word for word in words[1:] if not word.text.startswith("-")]
    text = shell.handed
    if names:
        text = shell.world.files.text(shell.world.files.place(names[0].text, shell.folder))
    if text is None or len(text) > MOST_CHARACTERS or not flags & {"-d", "-D", "-di", "--decode"}:
        return Outcome(), None
    try:
        found = b64decode("".join(text.split()), validate=True).decode()
    except (binascii.Error, ValueError):
        return Outcome(), None
    return Outcome(), found


def tee(shell: "Shell", words: list[Value], context: Context) -> Result:
    """Write what is passed on to files as well."""
    for word in words[1:]:
        idle = context.started in {Started.STARTABLE, Started.NO}
        place = shell.world.files.place(word.text, shell.folder)
        if word.text.startswith("-") or not word.known or place.startswith(("dev/", "proc/")):
            continue
        if not idle or shell.world.files.node(place) is None:
            more = any(one.text in {"-a", "--append"} for one in words)
            shell.world.files.write(place, shell.handed, append=more)
    return Outcome(), shell.handed


def decodes(source: str) -> bool:
    """Tell whether a text that is run comes out of something that hides it."""
    return _DECODES.search(source) is not None
