"""Pages about releases and keys: read, call, answer."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from holdfast.core.clock import now
from holdfast.hub.fleet import services as fleet
from holdfast.hub.releases import queries
from holdfast.hub.releases.forms import WithdrawForm
from holdfast.hub.releases.models import Release
from holdfast.hub.releases.words import outcome_in_words
from holdfast.hub.staff.views import actor


@require_safe
def releases(request: HttpRequest) -> HttpResponse:
    """List the releases."""
    page = queries.release_page(request.GET.get("page"))
    rows = [{"release": found, "progress": queries.progress(found)} for found in page]
    return render(request, "releases/list.html", {"rows": rows, "page": page})


@require_safe
def release(request: HttpRequest, number: int) -> HttpResponse:
    """Show one release."""
    found = get_object_or_404(queries.releases(), pk=number)
    return render(request, "releases/release.html", _shown(found, WithdrawForm()))


def _shown(found: Release, form: WithdrawForm) -> dict[str, object]:
    return {
        "release": found,
        "progress": queries.progress(found),
        "role": queries.role_of(found.product_id, now()),
        "withdrawal": form,
    }


@require_POST
def offer(request: HttpRequest, number: int) -> HttpResponse:
    """Offer a release to all devices of its product that it fits."""
    found = get_object_or_404(Release, pk=number)
    outcome = fleet.offer(found, by=actor(request))
    messages.info(request, outcome_in_words(outcome))
    return redirect("releases:release", number=number)


@require_POST
def withdraw(request: HttpRequest, number: int) -> HttpResponse:
    """Withdraw a release for a reason."""
    found = get_object_or_404(queries.releases(), pk=number)
    form = WithdrawForm(request.POST)
    if not form.is_valid():
        return render(request, "releases/release.html", _shown(found, form), status=422)
    count = fleet.withdraw(found, by=actor(request), why=form.cleaned_data["why"])
    messages.info(request, _("Withdrawn. Offers taken back: %(count)d.") % {"count": count})
    return redirect("releases:release", number=number)


@require_safe
def keys(request: HttpRequest) -> HttpResponse:
    """Show every signed list with its keys and expiry."""
    return render(request, "releases/keys.html", {"roles": queries.roles(now())})
