"""What people type on the release pages."""

from django import forms
from django.utils.translation import gettext_lazy as _


class WaiveForm(forms.Form):
    """Why a release goes out in spite of its audit; it stands in the audit trail for good."""

    why = forms.CharField(
        label=_("Reason"),
        min_length=10,
        max_length=500,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class WithdrawForm(forms.Form):
    """Why a release is withdrawn; it stands in the audit trail for good."""

    why = forms.CharField(
        label=_("Reason"),
        max_length=500,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
