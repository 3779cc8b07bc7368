"""What a password must be, and how it is hashed: Argon2id in a child that ends at once.

The resident process stays small because the 19 MiB of Argon2id and its library live only as
long as one hash takes.
"""

import json
import sys
import unicodedata
from threading import Lock

from holdfast.core.process import ProgramError, run
from holdfast.device.auth.errors import AccountsFileError, HashingBusyError, PasswordError

SHORTEST = 15
LONGEST = 256
WAIT_FOR_SLOT_S = 3.0
_HASHING_S = 60.0
# Surrogates, unassigned code points, control characters and private use: what one keyboard
# makes and another cannot.
_UNUSABLE = frozenset({"Cc", "Cs", "Cn", "Co"})
_MOST_BYTES = 4 * LONGEST


def normalised(text: str) -> str:
    """Give the one form of a text that looks the same on every keyboard: NFKC, nothing else.

    Source:
        NIST SP 800-63B-4 3.1.1.2: normalise before hashing; never trim, never fold.
    """
    return unicodedata.normalize("NFKC", text)


def must_be_usable(password: str, *, name: str) -> str:
    """Check a new password and return its normal form.

    Args:
        password: As typed.
        name: Account name, which may not be the password.

    Raises:
        PasswordError: With the reason and what would be accepted.

    Source:
        NIST SP 800-63B-4 3.1.1.2: 15 characters when the password is the only factor,
        any composition, length counted in code points.
    """
    if len(password) > LONGEST or len(password.encode(errors="replace")) > _MOST_BYTES:
        raise PasswordError(f"The password is longer than {LONGEST} characters.")
    if any(unicodedata.category(character) in _UNUSABLE for character in password):
        raise PasswordError("The password contains a character that other keyboards cannot type.")
    form = normalised(password)
    if len(form) < SHORTEST:
        raise PasswordError(f"The password is too short: {len(form)} of {SHORTEST} characters.")
    if len(form) > LONGEST:
        raise PasswordError(f"The password is longer than {LONGEST} characters.")
    if len(set(form)) <= len("ab"):
        raise PasswordError("The password repeats the same one or two characters.")
    if name and not form.casefold().replace(name.casefold(), "").strip(" 0123456789-_.!"):
        raise PasswordError("The password is only the account name with additions.")
    return form


class Hasher:
    """One hashing slot: forty attempts at once take the memory of one."""

    def __init__(self) -> None:
        self._slot = Lock()

    def make(self, secret: str) -> str:
        """Hash a secret with a fresh salt, as Argon2id string.

        Raises:
            HashingBusyError: The slot stayed taken for too long.
        """
        return str(self._ask({"do": "make", "secret": normalised(secret)})["hash"])

    def matches(self, stored: str, secret: str) -> bool:
        """Whether a secret is the one that was hashed; takes as long either way.

        Raises:
            HashingBusyError: The slot stayed taken for too long.
            AccountsFileError: The stored hash is not an Argon2id string.
        """
        answer = self._ask({"do": "match", "hash": stored, "secret": normalised(secret)})
        if "matches" not in answer:
            raise AccountsFileError("A stored password hash cannot be read.")
        return answer["matches"] is True

    def _ask(self, question: dict[str, str]) -> dict[str, object]:
        if not self._slot.acquire(timeout=WAIT_FOR_SLOT_S):
            raise HashingBusyError
        try:
            done = run(
                [sys.executable, "-I", "-m", "holdfast.device.auth.hashing"],
                stdin=json.dumps(question).encode(),
                timeout_s=_HASHING_S,
            )
            answer = json.loads(done.stdout)
        except (ProgramError, ValueError) as error:
            raise AccountsFileError("The password could not be checked.") from error
        finally:
            self._slot.release()
        if not isinstance(answer, dict):
            raise AccountsFileError("The password could not be checked.")
        return answer
