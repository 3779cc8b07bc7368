"""Passphrases: typed at a terminal, or read from a file that nobody else may read."""

import getpass
from pathlib import Path

import typer

from holdfast.core.errors import UsageError
from holdfast.updates import keys
from holdfast.updates.errors import PassphraseError
from holdfast.updates.keys import KeyFile, SigningKey

_TRIES = 3


class Passphrases:
    """Where passphrases come from in one run of a command."""

    def __init__(self, file: Path | None) -> None:
        """Read the passphrase file, if there is one.

        Raises:
            KeyFileError: It is unreadable, or others can read it.
        """
        self._given = keys.read_secret(file) if file is not None else None

    def open(self, path: Path, *, role: str | None = None) -> SigningKey:
        """Open a key file; somebody who types may try three times.

        Raises:
            KeyFileError: The file cannot be used.
            PassphraseError: The passphrase is wrong.
        """
        public = keys.read_public(path)
        if self._given is not None:
            return keys.load(path, self._given, role=role)
        for left in reversed(range(_TRIES)):
            asked = _typed(f"Passphrase of the {public.role} key {public.keyid[:12]}: ")
            try:
                return keys.load(path, asked, role=role)
            except PassphraseError:
                if not left:
                    raise
                typer.echo("That passphrase does not open it. Try again.", err=True)
        raise AssertionError

    def make(self, folder: Path, role: str) -> KeyFile:
        """Make a key under a new passphrase; see `make_open`."""
        return self.make_open(folder, role)[0]

    def make_open(self, folder: Path, role: str) -> tuple[KeyFile, SigningKey]:
        """Make a key under a new passphrase, and hand it over open.

        Raises:
            UsageError: The passphrase is too short, or was typed differently twice.
        """
        passphrase = self._given if self._given is not None else self._chosen(role)
        _must_be_long(passphrase)
        return keys.make_open(folder, role=role, passphrase=passphrase, cost=keys.STANDARD_COST)

    def _chosen(self, role: str) -> str:
        for left in reversed(range(_TRIES)):
            first = _typed(f"New passphrase for a {role} key (at least 12 characters): ")
            try:
                _must_be_long(first)
                if _typed("The same again: ") != first:
                    raise _not_the_same()
            except UsageError as error:
                if not left:
                    raise
                typer.echo(f"{error}. {error.hint}", err=True)
            else:
                return first
        raise AssertionError


def _must_be_long(passphrase: str) -> None:
    if len(passphrase) < keys.PASSPHRASE_CHARS:
        error = UsageError(f"the passphrase has fewer than {keys.PASSPHRASE_CHARS} characters")
        error.hint = "Choose a longer one, such as five unrelated words."
        raise error


def _not_the_same() -> UsageError:
    error = UsageError("the two passphrases differ")
    error.hint = "Type the same passphrase twice."
    return error


def _typed(prompt: str) -> str:
    """Ask at the terminal itself; never where it would be shown or come from a pipe."""
    try:
        with Path("/dev/tty").open("rb"):
            pass
    except OSError as error:
        refusal = UsageError("a passphrase is needed, and there is no terminal to type it at")
        refusal.hint = "Give a file that only you can read with --passphrase-file."
        raise refusal from error
    try:
        return getpass.getpass(prompt)
    except EOFError as error:
        raise UsageError("no passphrase was typed") from error
