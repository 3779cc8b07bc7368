"""Pages about staff: read, call, answer."""

from typing import cast

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from holdfast.hub.staff import overview, queries, services, sessions
from holdfast.hub.staff.forms import TokenForm
from holdfast.hub.staff.models import Account, ApiToken


def actor(request: HttpRequest) -> str:
    """Name whoever is logged in, for the audit trail."""
    return own(request).name


def own(request: HttpRequest) -> Account:
    """Give the account of whoever is logged in."""
    return cast("Account", request.user)


def status_of(form: Form) -> int:
    """Return the status of a page with this form: 422 if it came back with faults."""
    return 422 if form.is_bound else 200


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show the five recommendations for every product."""
    shown = {"products": overview.products(), "lines": queries.latest_lines(5)}
    return render(request, "staff/home.html", shown)


@require_safe
def trail(request: HttpRequest) -> HttpResponse:
    """Show the audit trail, newest first."""
    page = queries.trail_page(request.GET.get("page"))
    lines = [queries.line_of(entry) for entry in page]
    return render(request, "staff/trail.html", {"page": page, "lines": lines})


@require_http_methods(["GET", "POST"])
@sessions.proved
def tokens(request: HttpRequest) -> HttpResponse:
    """Show the API tokens, and make one; it is shown in this answer only."""
    form = TokenForm(request.POST or None)
    shown = {"form": form, "tokens": queries.tokens()}
    if form.is_valid():
        shown["made"] = services.make_token(form.cleaned_data["name"], by=actor(request))
        shown["form"] = TokenForm()
        return render(request, "staff/tokens.html", shown, status=201)
    return render(request, "staff/tokens.html", shown, status=status_of(form))


@require_POST
@sessions.proved
def revoke(request: HttpRequest, number: int) -> HttpResponse:
    """End an API token."""
    services.revoke_token(get_object_or_404(ApiToken, pk=number), by=actor(request))
    messages.success(request, _("The token opens nothing any more."))
    return redirect("staff:tokens")
