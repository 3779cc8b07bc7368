"""Pages about releases and keys: read, call, answer."""

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from holdfast.audit.report import document, page
from holdfast.audit.sbom import cyclonedx
from holdfast.core.clock import now
from holdfast.hub.fleet import services as fleet
from holdfast.hub.releases import jobs, judgements, queries
from holdfast.hub.releases.forms import WaiveForm, WithdrawForm
from holdfast.hub.releases.models import Release
from holdfast.hub.releases.words import outcome_in_words
from holdfast.hub.staff import sessions
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
    shown = _shown(found)
    judgement = queries.judgement_of(found)
    # Not under the hands of somebody who is about to write a reason.
    shown["again"] = judgement is not None and judgement.under_way and "stay" not in request.GET
    response = render(request, "releases/release.html", shown)
    if shown["again"]:
        response.headers["Refresh"] = "3"
    return response


def _shown(found: Release, **forms: Form) -> dict[str, object]:
    judgement = queries.judgement_of(found)
    return {
        "release": found,
        "progress": queries.progress(found),
        "judgement": judgement,
        "judgement_rows": queries.rows_of(judgement),
        "role": queries.role_of(found.product_id, now()),
        "withdrawal": WithdrawForm(),
        "waiver": WaiveForm(prefix="waive"),
        **forms,
    }


@require_POST
@sessions.proved
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
        return render(request, "releases/release.html", _shown(found, withdrawal=form), status=422)
    count = fleet.withdraw(found, by=actor(request), why=form.cleaned_data["why"])
    messages.info(request, _("Withdrawn. Offers taken back: %(count)d.") % {"count": count})
    return redirect("releases:release", number=number)


@require_POST
@sessions.proved
def waive(request: HttpRequest, number: int) -> HttpResponse:
    """Let a release pass in spite of its audit, for a reason."""
    found = get_object_or_404(queries.releases(), pk=number)
    form = WaiveForm(request.POST, prefix="waive")
    if not form.is_valid():
        return render(request, "releases/release.html", _shown(found, waiver=form), status=422)
    judgements.waive(found, by=actor(request), why=form.cleaned_data["why"])
    jobs.offer_if_wished(found)
    return redirect("releases:release", number=number)


@require_POST
def audit_again(request: HttpRequest, number: int) -> HttpResponse:
    """Audit a release once more."""
    found = get_object_or_404(Release, pk=number)
    judgements.ask_again(found, by=actor(request))
    return redirect("releases:release", number=number)


@require_safe
def report(request: HttpRequest, number: int) -> HttpResponse:
    """Show the whole report; a page that brings all it needs, under a policy of its own."""
    del request
    response = HttpResponse(page.render(queries.report_of(number)))
    response.headers["Content-Security-Policy"] = f"{page.policy()}; frame-ancestors 'none'"
    return response


@require_safe
def report_file(request: HttpRequest, number: int) -> HttpResponse:
    """Hand out the report for programs."""
    del request
    return _download(document.encode(queries.report_of(number)), "audit.json")


@require_safe
def sbom_file(request: HttpRequest, number: int) -> HttpResponse:
    """Hand out the list of components."""
    del request
    return _download(cyclonedx.render(queries.report_of(number)), "sbom.json")


def _download(content: bytes, name: str) -> HttpResponse:
    disposition = f'attachment; filename="{name}"'
    return HttpResponse(
        content, content_type="application/json", headers={"Content-Disposition": disposition}
    )


@require_safe
def keys(request: HttpRequest) -> HttpResponse:
    """Show every signed list with its keys and expiry."""
    return render(request, "releases/keys.html", {"roles": queries.roles(now())})
