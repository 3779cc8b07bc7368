"""What people give on the product pages."""

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from holdfast.hub.products.services import LARGEST_PROFILE_BYTES
from holdfast.product import ProfileError, parse


class ProfileForm(forms.Form):
    """A product.toml, checked to the last line before anything is kept."""

    profile = forms.FileField(
        label=_("Product profile"),
        help_text=_("The product.toml from the product's repository."),
        widget=forms.FileInput(attrs={"accept": ".toml,application/toml"}),
    )

    def clean_profile(self) -> bytes:
        """Read the file and name every fault at once."""
        file: UploadedFile[bytes] = self.cleaned_data["profile"]
        content: bytes = file.read(LARGEST_PROFILE_BYTES + 1)
        if len(content) > LARGEST_PROFILE_BYTES:
            raise ValidationError(_("This is larger than any product profile."))
        try:
            parse(content)
        except ProfileError as error:
            raise ValidationError([str(fault) for fault in error.faults]) from error
        return content
