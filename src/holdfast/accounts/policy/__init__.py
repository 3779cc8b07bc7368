"""What a password must be: the same on every page, in every interface and on the command line.

    lists = builtin.opened()                      # holdfast.accounts.blocklist, once per process
    form = must_be_usable(password, Context(user="ada", vendor="Acme"), lists)

Keep `form`, not what was typed: it is what is hashed, now and at every login (`normalised`).
Light enough for a resident process of a device: under 2 MB, lists included.
"""

from contextlib import suppress

from holdfast.accounts.blocklist.reader import Lists
from holdfast.accounts.errors import BlockListError, PasswordRefusedError
from holdfast.accounts.normal import normalised
from holdfast.accounts.policy.context import Context
from holdfast.accounts.policy.rules import (
    LONGEST,
    REASONS,
    SHORTEST,
    SHORTEST_WITH_SECOND,
    SUGGESTED,
    must_be_usable,
    must_not_be_known,
)
from holdfast.accounts.policy.suggestion import FEWEST_WORDS, entropy_bits, suggest

__all__ = [
    "LONGEST",
    "REASONS",
    "SHORTEST",
    "SHORTEST_WITH_SECOND",
    "SUGGESTED",
    "BlockListError",
    "Context",
    "Lists",
    "PasswordRefusedError",
    "entropy_bits",
    "must_be_usable",
    "must_not_be_known",
    "normalised",
    "suggest",
    "suggest_for",
]


def suggest_for(context: Context, lists: Lists, *, words: int = FEWEST_WORDS) -> str:
    """Make a passphrase that these rules accept from this person on this device.

    Args:
        context: What is known about person and device.
        lists: Block lists.
        words: How many words, 4 to 20.

    Raises:
        BlockListError: A list is damaged, so no password can be set now.
    """
    while True:
        made = suggest(words)
        # Refused only where somebody is called like the words: less than one in a million.
        with suppress(PasswordRefusedError):
            return must_be_usable(made, context, lists)
