"""Template filters for what the tables keep in milliseconds and bytes."""

import re

from django import template
from django.utils.formats import date_format
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from holdfast.hub.moments import from_ms

register = template.Library()
_CODE = re.compile(r"`([^`]+)`")


@register.filter
def moment(ms: int) -> str:
    """Write milliseconds UTC as day and minute."""
    return date_format(from_ms(ms), "j M Y, H:i")


@register.filter
def day(ms: int) -> str:
    """Write milliseconds UTC as a day."""
    return date_format(from_ms(ms), "j M Y")


@register.filter
def bytes_size(size_bytes: int) -> str:
    """Write a length in the unit that suits it."""
    if size_bytes < 1 << 20:
        return _("%(size).0f KiB") % {"size": size_bytes / (1 << 10)}
    return _("%(size).1f MiB") % {"size": size_bytes / (1 << 20)}


@register.filter
def coded(text: object) -> SafeString:
    """Escape a text, then show what stands between backticks as code."""
    # Escaped first: nothing in the text can become markup.
    return mark_safe(_CODE.sub(r"<code>\1</code>", escape(str(text))))  # noqa: S308
