"""What people type on the staff pages."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from holdfast.accounts.errors import PasswordRefusedError
from holdfast.accounts.policy import normalised
from holdfast.hub.owners.addresses import checked
from holdfast.hub.owners.errors import AddressError
from holdfast.hub.staff import passwords
from holdfast.hub.staff.entrance import LONGEST_NAME
from holdfast.hub.staff.models import Account
from holdfast.hub.staff.services import PLAIN_NAME, SYSTEM

LONGEST_PASSWORD = 1024
"""What is read at all; the rules allow less, and say so."""


def _password(label: Any, *, autocomplete: str, required: bool = True) -> forms.CharField:  # noqa: ANN401 - lazy text
    return forms.CharField(
        label=label,
        strip=False,
        required=required,
        max_length=LONGEST_PASSWORD,
        widget=forms.PasswordInput(attrs={"autocomplete": autocomplete}),
    )


def _name(label: Any, **more: Any) -> forms.CharField:  # noqa: ANN401 - lazy text
    attrs = {"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
    return forms.CharField(label=label, widget=forms.TextInput(attrs=attrs), **more)


class LoginForm(forms.Form):
    """Name and password."""

    name = _name(_("Name"), max_length=LONGEST_NAME)
    password = _password(_("Password"), autocomplete="current-password")


class CodeForm(forms.Form):
    """A code from the app, or a recovery code."""

    code = forms.CharField(
        label=_("Code"),
        max_length=40,
        help_text=_("The six digits that your app shows now, or one of your recovery codes."),
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "spellcheck": "false"}
        ),
    )


class CredentialForm(forms.Form):
    """What the browser made of a passkey."""

    credential = forms.CharField(max_length=40_000, widget=forms.HiddenInput)


class PasskeyForm(CredentialForm):
    """A new passkey."""

    name = forms.CharField(
        label=_("Name of the passkey"),
        max_length=60,
        help_text=_("So that you know it again, for example: laptop."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class ConfirmForm(CodeForm):
    """The own password once more, and a code where there is a second factor.

    Args:
        has_password: Whether a password is asked for.
        has_factor: Whether a code is.
    """

    password = _password(_("Password"), autocomplete="current-password")
    field_order = ("password", "code")

    def __init__(self, *args: Any, has_password: bool, has_factor: bool, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        if not has_password:
            del self.fields["password"]
        if not has_factor:
            del self.fields["code"]


class EmailForm(forms.Form):
    """Where logins from new sources are told."""

    email = forms.CharField(
        label=_("E-mail address"),
        required=False,
        max_length=254,
        help_text=_("A login from a place that was not seen before is told there. May stay empty."),
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )

    def clean_email(self) -> str:
        """Refuse what no mail can be sent to."""
        given = str(self.cleaned_data["email"])
        try:
            return checked(given) if given else ""
        except AddressError as error:
            raise ValidationError(f"{error}. {error.hint}") from error


class _NewPasswordForm(forms.Form):
    """A new password: the one that is offered, or an own one typed twice."""

    offer = forms.CharField(required=False, strip=False, widget=forms.HiddenInput)
    password = _password(_("New password"), autocomplete="new-password", required=False)
    again = _password(_("The same once more"), autocomplete="new-password", required=False)

    def account(self) -> Account:
        """Return the account that the password is for; it must not resemble its name or address."""
        given = getattr(self, "cleaned_data", {})
        return Account(name=given.get("name", ""), email=given.get("email", ""))

    @property
    def shortest(self) -> int:
        """Give the least length, in code points."""
        return passwords.shortest(self.account())

    @property
    def takes_offer(self) -> bool:
        """Whether the button beside the suggestion was pressed, and nothing else was typed."""
        return "take" in self.data and not self.data.get("password")

    def clean(self) -> dict[str, Any]:
        """Judge the password, and compare the two."""
        cleaned = super().clean() or {}
        if self.takes_offer:
            cleaned["password"] = cleaned.get("offer", "")
        password = cleaned.get("password", "")
        if not password and "password" not in self.errors:
            self.add_error("password", _("Take the suggested one, or type one of your own."))
        elif password:
            self._judge(password, cleaned.get("again", ""))
        return cleaned

    def _judge(self, password: str, again: str) -> None:
        try:
            passwords.must_be_usable(password, self.account())
        except PasswordRefusedError as error:
            self.add_error("password", ValidationError(passwords.told(error), code=error.reason))
        if not self.takes_offer and normalised(password) != normalised(again):
            self.add_error("again", _("This is not the same password."))


class AccountForm(_NewPasswordForm, EmailForm):
    """The account that a set-up link makes."""

    name = _name(
        _("Name"),
        max_length=32,
        validators=[PLAIN_NAME],
        help_text=_("What you log in with, and how the audit trail calls you."),
    )
    field_order = ("name", "email", "offer", "password", "again")

    def clean_name(self) -> str:
        """Refuse a name that is taken."""
        name = str(self.cleaned_data["name"])
        # What the hub itself does stands under that name in the audit trail.
        if name == SYSTEM or Account.objects.filter(name=name).exists():
            raise ValidationError(_("This name is taken."))
        return name


class PasswordForm(_NewPasswordForm):
    """A new password for whoever knows the old one."""

    old = _password(_("Password until now"), autocomplete="current-password")
    field_order = ("old", "offer", "password", "again")

    def __init__(self, account: Account, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self._account = account

    def clean(self) -> dict[str, Any]:
        """Refuse the password until now, beside what every new one is refused for."""
        cleaned = super().clean()
        new, old = cleaned.get("password", ""), cleaned.get("old", "")
        # What was typed, in the form that is hashed: it says nothing of what is stored.
        if new and normalised(new) == normalised(old):
            same = _("The new password is the old one. Choose one that you have never used here.")
            self.add_error("password", ValidationError(same, code="same"))
        return cleaned

    def account(self) -> Account:
        """Return whoever changes it."""
        return self._account


class WhyForm(forms.Form):
    """The reason for something that concerns somebody else."""

    why = forms.CharField(
        label=_("Reason"), max_length=300, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )


class TryForm(forms.Form):
    """A login with which a server is tried; it may stay empty."""

    name = forms.CharField(
        label=_("Name"),
        required=False,
        max_length=LONGEST_NAME,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none"}),
    )
    password = _password(_("Password"), autocomplete="off", required=False)


class TokenForm(forms.Form):
    """A new API token."""

    name = forms.CharField(
        label=_("What is it for?"),
        max_length=32,
        validators=[PLAIN_NAME],
        help_text=_("For example build-server. The audit trail shows this name."),
        widget=forms.TextInput(attrs={"autocapitalize": "none", "autocomplete": "off"}),
    )
