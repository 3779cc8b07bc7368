"""The rules, in the order in which they are told."""

import unicodedata
from typing import Final

from holdfast.accounts.blocklist.reader import DELIVERED, MOST_COMMON, NOT_LISTED, Lists
from holdfast.accounts.errors import PasswordRefusedError
from holdfast.accounts.normal import bare, folded, normalised
from holdfast.accounts.policy.context import Context, letters_and_digits
from holdfast.accounts.policy.cores import cores, unleeted
from holdfast.accounts.policy.walks import is_walk, period_of

SHORTEST: Final = 15
"""Code points, when the password is the only factor."""
SHORTEST_WITH_SECOND: Final = 8
LONGEST: Final = 256
"""Code points, as typed and in normal form; at most 1,024 bytes of UTF-8."""

REASONS: Final = (
    "too-short",
    "too-long",
    "unusable-character",
    "setup-code",
    "default-credential",
    "listed",
    "repeated",
    "sequence",
    "context",
    "variant",
)
"""Every word that `PasswordRefusedError.reason` may be."""

# Surrogates, unassigned code points, control characters and private use: what one keyboard makes
# and another cannot.
_UNUSABLE = {
    "Cc": "a control character",
    "Cs": "half a character",
    "Cn": "a character that does not exist",
    "Co": "a character without a common meaning",
}
_FEWEST_DIFFERENT = 3
_SHORT_UNIT = 3
_MOST_RUNS = 5
_MOST_DIGIT_RUNS = 2
_MOST_ADDED = 8
_MOST_ADDED_TO_DIGITS = 4
_CODE_CHARS = 8
_CUT = "\0"
SUGGESTED: Final = "the suggested one"
"""What hints call the passphrase that pages offer; where none is offered, say how to get one."""
_WAY_OUT = f"Take {SUGGESTED}, or four words that have nothing to do with each other."


def must_be_usable(
    password: str, context: Context, lists: Lists, *, second_factor: bool = False
) -> str:
    """Check a password that is to be set, and give the form in which it is hashed.

    Args:
        password: As typed, never trimmed.
        context: What is known about person and device.
        lists: Block lists, from `holdfast.accounts.blocklist`.
        second_factor: Whether the account has a second factor; then 8 characters are enough.

    Raises:
        PasswordRefusedError: It may not be set; says why, and a way out, without any of it.
        BlockListError: A list is damaged, so no password can be set now.

    Source:
        NIST SP 800-63B-4 3.1.1.2; OWASP ASVS 5.0 V6.2; EN 303 645 5.1-1.
    """
    lists.must_be_unchanged()
    try:
        form = _of_fitting_length(password, SHORTEST_WITH_SECOND if second_factor else SHORTEST)
        _must_not_be_known(folded(form), context, lists)
    finally:
        lists.let_go()
    return form


def must_not_be_known(password: str, context: Context, lists: Lists) -> None:
    """Check only whether everybody could guess a password; it may be as short as it likes.

    For one that an older product kept, before the first who types it is let in.

    Args:
        password: As typed.
        context: What is known about person and device.
        lists: Block lists.

    Raises:
        PasswordRefusedError: It is known, or made of what is known.
        BlockListError: A list is damaged, so nothing can be judged now.
    """
    lists.must_be_unchanged()
    try:
        _must_not_be_known(folded(normalised(password[:LONGEST])), context, lists)
    finally:
        lists.let_go()


def _of_fitting_length(password: str, shortest: int) -> str:
    # Before anything else: what follows takes time and memory for every character.
    if len(password) > LONGEST:
        raise _too_long(len(password))
    for number, mark in enumerate(password, 1):
        what = _UNUSABLE.get(unicodedata.category(mark))
        if what is not None:
            raise PasswordRefusedError(
                "unusable-character",
                f"character {number} is {what}, which other keyboards cannot type",
                "Leave it out.",
            )
    form = normalised(password)
    if len(form) > LONGEST:
        raise _too_long(len(form))
    # A single character may stand for a whole sentence in the normal form, and counts as one.
    length = min(len(password), len(form))
    if length < shortest:
        raise PasswordRefusedError(
            "too-short",
            f"too short: {length} of {shortest} characters",
            f"Add words until it has {shortest}; spaces count. Or take {SUGGESTED}.",
        )
    return form


def _must_not_be_known(text: str, context: Context, lists: Lists) -> None:
    _must_not_hold_code(text, context.setup_code)
    rank = lists.rank(text)
    if rank == DELIVERED:
        raise PasswordRefusedError(
            "default-credential", "a password with which devices are delivered", _WAY_OUT
        )
    if rank == MOST_COMMON:
        raise PasswordRefusedError("listed", "one of the most common passwords", _WAY_OUT)
    if rank != NOT_LISTED:
        raise PasswordRefusedError("listed", "on a list of passwords that became known", _WAY_OUT)
    _must_not_be_a_pattern(text)
    _must_not_be_made_of(context.words(), text, lists)
    for core in cores(text, longest=lists.longest, listed=lambda part: bool(lists.rank(part))):
        if lists.is_core(core):
            raise PasswordRefusedError(
                "variant",
                "a common password with changes such as @ for a, additions or a letter more",
                _WAY_OUT,
            )
    _must_not_be_made_of(context.words(everywhere=True), text, lists)


def _too_long(length: int) -> PasswordRefusedError:
    return PasswordRefusedError(
        "too-long",
        f"too long: {length} of at most {LONGEST} characters",
        f"Leave out what is more than {LONGEST}; nothing is cut off silently.",
    )


def _must_not_hold_code(text: str, code: str) -> None:
    wanted = letters_and_digits(folded(code[:LONGEST]))
    if len(wanted) >= _CODE_CHARS and wanted in letters_and_digits(text):
        raise PasswordRefusedError(
            "setup-code",
            "the set-up code of this device, which stands on its label",
            "The code is used up by the claim. " + _WAY_OUT,
        )


def _must_not_be_a_pattern(text: str) -> None:
    if len(set(text)) < _FEWEST_DIFFERENT:
        raise PasswordRefusedError("repeated", "one or two characters again and again", _WAY_OUT)
    if period_of(text) <= _SHORT_UNIT:
        raise PasswordRefusedError("repeated", "three characters again and again", _WAY_OUT)
    if is_walk(text, most_runs=_MOST_DIGIT_RUNS if text.isdigit() else _MOST_RUNS):
        raise PasswordRefusedError(
            "sequence", "only rows of neighbouring keys, letters or digits", _WAY_OUT
        )


def _must_not_be_made_of(words: dict[str, str], text: str, lists: Lists) -> None:
    plain = letters_and_digits(bare(text))
    undone = letters_and_digits(unleeted(bare(text)))
    for reading in {plain, undone, plain[::-1]}:
        whose = _whose(reading, words, lists)
        if whose:
            raise PasswordRefusedError(
                "context",
                f"only {' and '.join(whose)} with additions",
                "Use words that nobody can read on a label or look up. " + _WAY_OUT,
            )


def _whose(text: str, words: dict[str, str], lists: Lists) -> list[str]:
    """Say whose names a text is made of; nobody's if there is more to it."""
    rest, whose, letters = text, dict[str, None](), False
    for word, name in words.items():
        if word in rest:
            # A mark, so that what stood on either side does not become a word.
            rest = rest.replace(word, _CUT)
            whose[name] = None
            letters = letters or any(map(str.isalpha, word))
    pieces = [piece for piece in rest.split(_CUT) if piece]
    if any(map(str.isalpha, rest)):
        common = len(pieces) == 1 and lists.is_core(pieces[0].strip("0123456789"))
        return [*whose] if common else []
    added = sum(map(len, pieces))
    few = added <= (_MOST_ADDED if letters else _MOST_ADDED_TO_DIGITS)
    return [*whose] if few or all(is_walk(each, most_runs=2) for each in pieces) else []
