"""What staff enter about devices."""

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from holdfast.hub.fleet.errors import DeviceError
from holdfast.hub.fleet.models import Device
from holdfast.hub.fleet.queries import fitting
from holdfast.hub.fleet.services import must_be_new
from holdfast.hub.fleet.states import WORDS
from holdfast.hub.products.models import Product
from holdfast.hub.releases.models import Release


class RegisterForm(forms.Form):
    """Registration of one device."""

    controller_id = forms.CharField(
        label=_("Name"),
        max_length=64,
        help_text=_("Under which it polls, such as its serial number."),
    )
    product = forms.ModelChoiceField(label=_("Product"), queryset=Product.objects.all())
    hardware = forms.CharField(
        label=_("Hardware revision"), max_length=32, help_text=_("One of the product's profile.")
    )

    def clean(self) -> dict[str, Any]:
        """Say beside the form what the service would refuse, so that nothing is typed twice."""
        given = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                must_be_new(**given)
            except DeviceError as error:
                self.add_error(None, str(error))
        return given


class FilterForm(forms.Form):
    """Choice among the devices of the list."""

    product = forms.ModelChoiceField(
        label=_("Product"), queryset=Product.objects.all(), required=False, empty_label=_("all")
    )
    standing = forms.ChoiceField(
        label=_("State"), required=False, choices=lambda: [("", _("all")), *WORDS.items()]
    )
    search = forms.CharField(label=_("Name contains"), required=False, max_length=64)
    after = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)

    def chosen(self) -> dict[str, str]:
        """Return what was chosen; nothing if the choice has faults."""
        if not self.is_valid():
            return {}
        chosen = dict(self.cleaned_data)
        chosen["product"] = chosen["product"].pk if chosen["product"] else ""
        return chosen


class OfferForm(forms.Form):
    """Choice of a release to offer to one device, among those that fit."""

    release = forms.ModelChoiceField(label=_("Release"), queryset=Release.objects.none())

    def __init__(self, device: Device, given: QueryDict | None = None) -> None:
        super().__init__(given)
        numbers = [release.pk for release in fitting(device)]
        self.fields["release"] = forms.ModelChoiceField(
            label=_("Release"), queryset=Release.objects.filter(pk__in=numbers)
        )


class HistoryForm(forms.Form):
    """Where older lines of a history begin."""

    before = forms.IntegerField(required=False, min_value=1, max_value=(1 << 63) - 1)
