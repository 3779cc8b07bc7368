"""In which form a directory is shown a password: as it was typed, then as NFKC writes it."""

from collections.abc import Callable
from dataclasses import replace

from holdfast.accounts.directories.answers import (
    Accepted,
    Answer,
    Directory,
    Login,
    Rejected,
    Step,
)
from holdfast.accounts.normal import normalised

LONGEST = 256
"""Code points of a password."""


class TwoForms:
    """A directory that is asked twice where a password has two forms and the first is refused.

    Directories disagree: some keep a password as it was typed, some bring it into a form of
    Unicode, some leave that to who asks. Only a no of a server brings the second question, and only
    a yes to it counts: a server that falls silent meanwhile has said no. For a password whose form
    NFKC is the same, such as any of ASCII, there is one question.

    Args:
        directory: Asked for each form.

    Source:
        RFC 4513 5.1.3 and RFC 4013 (LDAP: NFKC, by the client); RFC 8265 (NFC, which RFC 8907
        names); RFC 2865 (nothing).
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def authenticate(self, login: Login, *, until: float) -> Answer:
        """Ask whether name and password belong together; see `answers.Directory`."""
        answer = self._directory.authenticate(login, until=until)
        other = _other_form(login)
        if other is None or not _is_no(answer):
            return answer
        again = self._directory.authenticate(other, until=until)
        return again if isinstance(again, Accepted) else answer

    def test(self, login: Login | None, *, until: float, tell: Callable[[Step], None]) -> Answer:
        """Do the same step by step; told are the steps of the question that decided."""
        other = _other_form(login) if login is not None else None
        if other is None:
            return self._directory.test(login, until=until, tell=tell)
        steps: list[Step] = []
        answer = self._directory.test(login, until=until, tell=steps.append)
        if _is_no(answer):
            steps_again: list[Step] = []
            again = self._directory.test(other, until=until, tell=steps_again.append)
            if isinstance(again, Accepted):
                answer, steps = again, steps_again
        for step in steps:
            tell(step)
        return answer


def _is_no(answer: Answer) -> bool:
    return isinstance(answer, Rejected) and bool(answer.server)


def _other_form(login: Login) -> Login | None:
    """Give the same login with the password in NFKC; None if that is the same, or too long."""
    form = normalised(login.password)
    if form == login.password or len(form) > LONGEST:
        return None
    return replace(login, password=form)
