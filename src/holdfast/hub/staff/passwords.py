"""Which passwords staff may choose: the rules of `holdfast.accounts.policy`."""

import socket
from functools import cache
from typing import Any

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from holdfast.accounts import policy
from holdfast.accounts.blocklist import signature
from holdfast.accounts.policy import Context, Lists, PasswordRefusedError
from holdfast.hub.products import queries
from holdfast.hub.products.models import Product
from holdfast.hub.staff.models import Account

LONGEST = policy.LONGEST
_MOST_PRODUCTS = 20
"""Of which names are forbidden: `Context` looks at 64 words."""
_FEWEST_TAKEN_OVER = 6
_FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


@cache
def lists() -> Lists:
    """Open the built-in block list and those that hub.toml names, once in a process.

    Raises:
        BlockListError: One of them is missing, damaged or not signed; no password is set then.
    """
    rules = settings.HUB.accounts
    return signature.opened(rules.blocklists, rules.blocklist_keys)


def has_second_factor(account: Account) -> bool:
    """Tell whether a password is not all that opens this account."""
    if account.pk is None:
        return False
    return bool(Authenticator.objects.filter(user=account, type__in=_FACTORS).exists())


def context_of(account: Account) -> Context:
    """Collect the words that no password of this account may be made of."""
    names = {socket.gethostname(): None}
    for product in Product.objects.all()[:_MOST_PRODUCTS]:
        profile = queries.profile_of(product)
        model = profile.identity.model if profile else ""
        names |= dict.fromkeys((product.vendor, product.name, product.pk, model))
    return Context(user=account.name, email=account.email, host=settings.HUB.host, others=(*names,))


def shortest(account: Account) -> int:
    """Give the least length of a password of this account, in code points."""
    return policy.SHORTEST_WITH_SECOND if has_second_factor(account) else policy.SHORTEST


def must_be_usable(password: str, account: Account) -> str:
    """Refuse a password that an account may not have.

    Returns:
        The form of it that is hashed.

    Raises:
        PasswordRefusedError: With the reason, and what to do instead.
        BlockListError: Nothing can be judged at the moment.
    """
    return policy.must_be_usable(
        password, context_of(account), lists(), second_factor=has_second_factor(account)
    )


def is_guessable(password: str, account: Account) -> bool:
    """Tell whether a stranger would try a password early; the rules for new ones ask for more.

    Raises:
        BlockListError: Nothing can be judged at the moment.
    """
    try:
        policy.must_not_be_known(password, context_of(account), lists())
    except PasswordRefusedError:
        return True
    return len(password) < _FEWEST_TAKEN_OVER


def suggest() -> str:
    """Make a passphrase that nobody had before and that fulfils every rule."""
    return policy.suggest()


def told(error: PasswordRefusedError) -> str:
    """Put a refusal and its way out in one text."""
    return f"{capfirst(str(error))}. {error.hint}"


class PolicyValidator:
    """The same rules where Django asks for a validator."""

    def validate(self, password: str, user: Any = None) -> None:  # noqa: ANN401 - of Django
        """Refuse a password.

        Raises:
            ValidationError: It may not be used; the code is the reason as a word.
        """
        account = user if isinstance(user, Account) else Account(name="")
        try:
            must_be_usable(password, account)
        except PasswordRefusedError as error:
            raise ValidationError(told(error), code=error.reason) from error

    def get_help_text(self) -> str:
        """Say in a sentence what is wanted."""
        return _("At least 15 characters; a few plain words that do not belong together are best.")
