"""What a command says of passphrases that pages offer."""

from collections.abc import Iterator
from contextlib import contextmanager

from holdfast.accounts.policy import SUGGESTED, PasswordRefusedError


@contextmanager
def nothing_offered() -> Iterator[None]:
    """Let a refusal name the command that suggests passphrases, where none was shown.

    Pages show one; here it would stand in the history of the terminal, or in a log.
    """
    try:
        yield
    except PasswordRefusedError as error:
        error.hint = error.hint.replace(SUGGESTED, "one of `holdfast accounts suggest`")
        raise
