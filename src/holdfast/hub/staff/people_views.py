"""Pages about all accounts, and about the servers that know people."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from holdfast.hub.staff import people, services, sessions, visitors
from holdfast.hub.staff.forms import TryForm, WhyForm
from holdfast.hub.staff.models import Account
from holdfast.hub.staff.views import actor, status_of


@require_safe
@sessions.proved
def accounts(request: HttpRequest) -> HttpResponse:
    """Show who can log in, and with what."""
    return render(request, "staff/accounts.html", {"people": people.everybody(), "why": WhyForm()})


@require_POST
@sessions.proved
def invite(request: HttpRequest) -> HttpResponse:
    """Make a set-up link for one more account; it is shown in this answer only."""
    link = services.make_setup_link(by=actor(request), another=True)
    shown = {"people": people.everybody(), "link": link, "why": WhyForm()}
    return render(request, "staff/accounts.html", shown, status=201)


@require_POST
@sessions.proved
def change(request: HttpRequest, number: int) -> HttpResponse:
    """Switch an account off or on, open it for passwords, or take lost factors from it."""
    account, form = get_object_or_404(Account, pk=number), WhyForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Give a reason; the audit trail keeps it."))
        return redirect("staff:accounts")
    people.change(
        account, str(request.POST.get("do", "")), by=actor(request), why=form.cleaned_data["why"]
    )
    messages.success(request, _("It is done."))
    return redirect("staff:accounts")


@require_safe
@sessions.proved
def central_login(request: HttpRequest) -> HttpResponse:
    """Show the settings of central login without their secrets."""
    return render(
        request, "staff/central.html", {"central": people.central_view(), "form": TryForm()}
    )


@require_http_methods(["GET", "POST"])
@sessions.proved
def try_server(request: HttpRequest, name: str) -> HttpResponse:
    """Try one server, and say in words what worked and what did not."""
    server = people.server(name)
    form = TryForm(request.POST or None)
    shown: dict[str, object] = {"server": server, "form": form}
    if form.is_valid():
        facts = {"by": actor(request), "address": visitors.address_of(request)}
        shown["tested"] = people.try_out(server, **form.cleaned_data, **facts)
        shown["form"] = TryForm(initial={"name": form.cleaned_data["name"]})
        return render(request, "staff/try.html", shown)
    return render(request, "staff/try.html", shown, status=status_of(form))
