"""What people type on the staff pages."""

from typing import Any

from django import forms
from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from holdfast.hub.staff.models import Account
from holdfast.hub.staff.services import PLAIN_NAME, SYSTEM, normalised

LONGEST_PASSWORD = 512


def _password(label: Any, *, autocomplete: str) -> forms.CharField:  # noqa: ANN401 - lazy text
    return forms.CharField(
        label=label,
        strip=False,
        max_length=LONGEST_PASSWORD,
        widget=forms.PasswordInput(attrs={"autocomplete": autocomplete}),
    )


class LoginForm(forms.Form):
    """Name and password."""

    name = forms.CharField(
        label=_("Name"),
        max_length=64,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none"}),
    )
    password = _password(_("Password"), autocomplete="current-password")


class _NewPasswordForm(forms.Form):
    """A new password, typed twice."""

    password = _password(_("New password"), autocomplete="new-password")
    again = _password(_("The same once more"), autocomplete="new-password")

    def account(self) -> Account:
        """Return the account that the password is for; it must not resemble its name."""
        return Account(name=self.cleaned_data.get("name", ""))

    def clean(self) -> dict[str, Any]:
        """Judge the password, and compare the two."""
        cleaned = super().clean() or {}
        password = normalised(cleaned.get("password", ""))
        if password:
            try:
                password_validation.validate_password(password, self.account())
            except ValidationError as error:
                self.add_error("password", error)
            if password != normalised(cleaned.get("again", "")):
                self.add_error("again", _("This is not the same password."))
        return cleaned


class AccountForm(_NewPasswordForm):
    """The account that a set-up link makes."""

    name = forms.CharField(
        label=_("Name"),
        max_length=32,
        validators=[PLAIN_NAME],
        help_text=_("What you log in with, and how the audit trail calls you."),
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none"}),
    )
    field_order = ("name", "password", "again")

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
    field_order = ("old", "password", "again")

    def __init__(self, account: Account, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self._account = account

    def account(self) -> Account:
        """Return whoever changes it."""
        return self._account

    def clean_old(self) -> str:
        """Refuse a wrong password."""
        old = str(self.cleaned_data["old"])
        if not self._account.check_password(normalised(old)):
            raise ValidationError(_("This is not your password."))
        return old


class TokenForm(forms.Form):
    """A new API token."""

    name = forms.CharField(
        label=_("What is it for?"),
        max_length=32,
        validators=[PLAIN_NAME],
        help_text=_("For example build-server. The audit trail shows this name."),
        widget=forms.TextInput(attrs={"autocapitalize": "none", "autocomplete": "off"}),
    )
