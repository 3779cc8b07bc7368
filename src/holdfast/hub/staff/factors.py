"""Second factors: codes from an app, passkeys and recovery codes, kept by django-allauth.

What allauth leaves to a cache of the process is kept in the database here: a code from an app is
good once, also after a restart and on every machine.
"""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from holdfast.accounts import totp
from holdfast.accounts.errors import ThrottledError, UnknownKeyError, VaultError
from holdfast.core.clock import now
from holdfast.hub.errors import NotAllowedError
from holdfast.hub.staff import brake, known
from holdfast.hub.staff.models import Account, Origin, new_epoch
from holdfast.hub.staff.services import record

MOST_PASSKEYS = 10
LONGEST_CREDENTIAL = 32_768
LONGEST_CODE = 40
_SEED_KEY = "staff_totp_seed"
_SWITCHED_OFF = (
    "Use a passkey, or a browser in which you logged in before; or let a colleague, or "
    "`holdfast hub accounts unlock NAME` on the hub's machine, open the account again."
)
CODE, PASSKEY, RECOVERY = "code", "passkey", "recovery code"
_KINDS = {
    Authenticator.Type.TOTP: CODE,
    Authenticator.Type.WEBAUTHN: PASSKEY,
    Authenticator.Type.RECOVERY_CODES: "recovery codes",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """What somebody has beside a password.

    Attributes:
        app: The authenticator of codes from an app, or None.
        passkeys: All passkeys.
        codes_left: How many recovery codes are unused.
    """

    app: Authenticator | None
    passkeys: tuple[Authenticator, ...]
    codes_left: int

    def __bool__(self) -> bool:
        """Whether there is a second factor at all; recovery codes alone are none."""
        return self.app is not None or bool(self.passkeys)


def of(account: Account) -> Factors:
    """Look up what an account has."""
    found = list(Authenticator.objects.filter(user=account).order_by("pk"))
    codes = next((one for one in found if one.type == Authenticator.Type.RECOVERY_CODES), None)
    return Factors(
        app=next((one for one in found if one.type == Authenticator.Type.TOTP), None),
        passkeys=tuple(one for one in found if one.type == Authenticator.Type.WEBAUTHN),
        codes_left=_left(codes) if codes is not None else 0,
    )


def _left(codes: Authenticator) -> int:
    """Count unused recovery codes; none if they were sealed with a key that is gone."""
    try:
        return len(codes.wrap().get_unused_codes())
    except (UnknownKeyError, VaultError):
        return 0


def new_seed(session: Any) -> bytes:  # noqa: ANN401 - Django's session
    """Give the seed that is being set up in this session; made at the first call."""
    if _SEED_KEY not in session:
        session[_SEED_KEY] = get_adapter().encrypt(totp.fresh_seed().hex())
    return bytes.fromhex(get_adapter().decrypt(session[_SEED_KEY]))


def seed_address(account: Account, seed: bytes) -> str:
    """Give the address that an app reads from the QR code."""
    return totp.address(seed, name=account.name, issuer=get_adapter().get_totp_issuer())


def spelt(seed: bytes) -> str:
    """Spell a seed for who cannot scan it, in groups of four."""
    text = base64.b32encode(seed).decode().rstrip("=")
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def seed_svg(address: str) -> str:
    """Draw the QR code."""
    return str(get_adapter().build_totp_svg(address)).partition("?>")[2].strip()


@transaction.atomic
def add_app(account: Account, session: Any, code: str) -> list[str]:  # noqa: ANN401 - Django's
    """Keep the app whose code shows that it has the seed, and end all sessions of the account.

    Returns:
        Fresh recovery codes, or none if there are some already.

    Raises:
        ValidationError: The code is wrong.
        NotAllowedError: There is an app already.
    """
    if Authenticator.objects.filter(user=account, type=Authenticator.Type.TOTP).exists():
        raise NotAllowedError("there is an app already; remove it first")
    seed = new_seed(session)
    step = totp.matching_step(seed, code, now=now(), last_step=account.totp_step)
    if step is None:
        raise ValidationError(_("This is not the code that the app shows now."))
    secret = base64.b32encode(seed).decode()
    Authenticator.objects.create(
        user=account,
        type=Authenticator.Type.TOTP,
        data={"secret": get_adapter().encrypt(secret)},
    )
    account.totp_step, account.epoch = step, new_epoch()
    account.save(update_fields=["totp_step", "epoch"])
    session.pop(_SEED_KEY, None)
    record(by=account.name, what="factor.added", subject=account.name, facts={"kind": CODE})
    return _first_codes(account)


def begin_passkey(account: Account) -> dict[str, Any]:
    """Give what the browser needs to make a passkey; the challenge waits in the session."""
    from allauth.mfa.webauthn.internal import auth  # noqa: PLC0415 - loads much, used rarely

    return dict(auth.begin_registration(account, passwordless=True))


@transaction.atomic
def add_passkey(account: Account, *, name: str, credential: dict[str, Any]) -> list[str]:
    """Keep a passkey that the browser made, and end all sessions of the account.

    Returns:
        Fresh recovery codes, or none if there are some already.

    Raises:
        ValidationError: It is no answer to the challenge of this session.
        NotAllowedError: There are enough.
    """
    from allauth.mfa.webauthn.internal import auth  # noqa: PLC0415 - loads much, used rarely
    from fido2.cose import UnsupportedKey  # noqa: PLC0415

    if len(of(account).passkeys) >= MOST_PASSKEYS:
        raise NotAllowedError(f"an account has up to {MOST_PASSKEYS} passkeys")
    with _judged():
        _must_be_ours(credential)
        auth.parse_registration_response(credential)
        binding = auth.complete_registration(credential)
        made = binding.credential_data
        unfit = made is None or isinstance(made.public_key, UnsupportedKey)
        if unfit or not binding.is_user_verified():
            raise get_adapter().validation_error("incorrect_code")
        auth.WebAuthn.add(account, name, credential)
    account.epoch = new_epoch()
    account.save(update_fields=["epoch"])
    record(by=account.name, what="factor.added", subject=account.name, facts={"kind": PASSKEY})
    return _first_codes(account)


def begin_passkey_login(account: Account | None) -> dict[str, Any]:
    """Give what the browser needs to show a passkey of one account, or of anybody."""
    from allauth.mfa.webauthn.internal import auth  # noqa: PLC0415 - loads much, used rarely

    return dict(auth.begin_authentication(account))


def passkey_login(account: Account | None, credential: dict[str, Any]) -> Account:
    """Tell who showed a passkey.

    Args:
        account: Whose it must be; None for anybody's whose password is kept here. Of all others
            a directory or provider has to be asked at each login whether they are staff still.
        credential: The browser's answer.

    Raises:
        ValidationError: It is nobody's, not for this session, of an account switched off, or of
            one that a passkey alone does not open.
    """
    from allauth.mfa.webauthn.internal import auth  # noqa: PLC0415 - loads much, used rarely

    with _judged():
        _must_be_ours(credential)
        auth.parse_authentication_response(credential)
        who = account or auth.extract_user_from_response(credential)
        authenticator = auth.complete_authentication(who, credential)
    if not isinstance(who, Account) or not who.is_active:
        raise get_adapter().validation_error("incorrect_code")
    if account is None and who.origin != Origin.LOCAL:
        raise ValidationError(
            _("This passkey is your second step. Log in first as the rest of your company does.")
        )
    authenticator.record_usage()
    return who


def read_credential(text: str) -> dict[str, Any]:
    """Read the JSON that the page's script put into its form.

    Raises:
        ValidationError: It is something else.
    """
    try:
        found = json.loads(text) if len(text) <= LONGEST_CREDENTIAL else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ValidationError(_("Your browser sent nothing that shows a passkey."))
    return found


def _must_be_ours(credential: dict[str, Any]) -> None:
    """Refuse what was made on another page: allauth also takes subdomains and other ports.

    Raises:
        ValidationError: It was.
    """
    from fido2.utils import websafe_decode  # noqa: PLC0415
    from fido2.webauthn import CollectedClientData  # noqa: PLC0415 - loads much, used rarely

    said = CollectedClientData(websafe_decode(credential["response"]["clientDataJSON"]))
    if said.origin != settings.HUB.url or said.cross_origin:
        raise get_adapter().validation_error("incorrect_code")


_FOREIGN = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    NotImplementedError,  # of keys of a kind that the library does not know
)


@contextmanager
def _judged() -> Iterator[None]:
    """Turn whatever a damaged answer makes the library raise into a refusal.

    Raises:
        ValidationError: In place of what the library raised.
    """
    try:
        yield
    except _FOREIGN as error:
        if isinstance(error, ValidationError):
            raise
        raise get_adapter().validation_error("incorrect_code") from error


def use_code(account: Account, code: str, *, address: str, cookie: str = "") -> str | None:
    """Tell whether a code from the app or a recovery code was typed, and use it up.

    Returns:
        `code` or `recovery code`; None for neither.

    Raises:
        ThrottledError: Too many wrong ones lately.
    """
    known_id = known.id_for(cookie, account.name)
    who = brake.who(counted_as(account), address, known_id and f"{known_id}-code")
    try:
        with brake.one_try(who):
            kind = _used(account, code)
            if kind is None:
                brake.failed(who)
            else:
                brake.succeeded(who)
    except ThrottledError as error:
        if error.switched_off:
            error.hint = _SWITCHED_OFF
        raise
    return kind


def counted_as(account: Account) -> str:
    """Give the name under which the brake counts codes: beside passwords, not among them."""
    return f"{account.name}\0code"


@transaction.atomic
def _used(account: Account, typed: str) -> str | None:
    code = "".join(typed.split()).replace("-", "")
    if not 0 < len(code) <= LONGEST_CODE or not code.isascii():
        return None
    for found in Authenticator.objects.select_for_update().filter(user=account):
        if found.type == Authenticator.Type.TOTP and _step_used(account, found, code):
            found.record_usage()
            return CODE
        if found.type == Authenticator.Type.RECOVERY_CODES and found.wrap().validate_code(code):
            left = of(account).codes_left
            record(
                by=account.name, what="recovery.used", subject=account.name, facts={"left": left}
            )
            return RECOVERY
    return None


def _step_used(account: Account, found: Authenticator, code: str) -> bool:
    seed = base64.b32decode(get_adapter().decrypt(found.data["secret"]))
    last = Account.objects.values_list("totp_step", flat=True).get(pk=account.pk)
    step = totp.matching_step(seed, code, now=now(), last_step=last)
    if step is None:
        return False
    # Only one of two who send the same code at the same moment comes first.
    return bool(Account.objects.filter(pk=account.pk, totp_step__lt=step).update(totp_step=step))


@transaction.atomic
def remove(account: Account, number: int, *, by: str, why: str = "") -> None:
    """Take a factor from an account.

    Raises:
        NotAllowedError: The password would be too short without it.
    """
    found = Authenticator.objects.filter(user=account, pk=number).first()
    if found is None or found.type == Authenticator.Type.RECOVERY_CODES:
        return
    found.delete()
    if not of(account):
        if account.short_password:
            error = NotAllowedError("this password is short, and good only with a second factor")
            error.hint = "Choose a password of at least 15 characters first, then remove this."
            raise error
        Authenticator.objects.filter(user=account).delete()
    kind = _KINDS[Authenticator.Type(found.type)]
    facts = {"kind": kind}
    record(by=by, what="factor.removed", subject=account.name, why=why, facts=facts)


@transaction.atomic
def remove_all(account: Account, *, by: str, why: str) -> None:
    """Take every factor from somebody who lost them; a short password stops working with them."""
    Authenticator.objects.filter(user=account).delete()
    if account.short_password:
        account.set_unusable_password()
        account.short_password = False
        account.save(update_fields=["password", "short_password"])
    record(by=by, what="factor.removed", subject=account.name, why=why, facts={"kind": "all"})


@transaction.atomic
def new_codes(account: Account) -> list[str]:
    """Make recovery codes; all earlier ones are worth nothing.

    Raises:
        NotAllowedError: There is no second factor that they could stand in for.
    """
    if not of(account):
        raise NotAllowedError("recovery codes stand in for a second factor; there is none yet")
    Authenticator.objects.filter(user=account, type=Authenticator.Type.RECOVERY_CODES).delete()
    record(by=account.name, what="recovery.made", subject=account.name)
    return _made_codes(account)


def _first_codes(account: Account) -> list[str]:
    kind = Authenticator.Type.RECOVERY_CODES
    if Authenticator.objects.filter(user=account, type=kind).exists():
        return []
    return _made_codes(account)


def _made_codes(account: Account) -> list[str]:
    from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes  # noqa: PLC0415 - rarely

    codes: list[str] = RecoveryCodes.activate(account).get_unused_codes()
    return [" ".join((code[:4], code[4:8], code[8:])) for code in codes]
