"""Pages about the own account: password, address, logins, passkeys, codes."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from holdfast.hub.staff import (
    arrival,
    entrance,
    factors,
    known,
    logins,
    passwords,
    services,
    sessions,
    visitors,
)
from holdfast.hub.staff.forms import CodeForm, EmailForm, PasskeyForm, PasswordForm
from holdfast.hub.staff.login_views import with_scripts
from holdfast.hub.staff.models import Origin
from holdfast.hub.staff.views import own, status_of


@require_safe
def account(request: HttpRequest) -> HttpResponse:
    """Show one's own account and who logged in to it."""
    mine = own(request)
    shown = {
        "factors": factors.of(mine),
        "logins": logins.latest(mine),
        "email": EmailForm(initial={"email": mine.email}),
        "is_local": mine.origin == Origin.LOCAL,
        "passkeys": arrival.is_secure_enough(),
        "browsers": mine.browsers.count(),
    }
    return render(request, "staff/account.html", shown)


@require_http_methods(["GET", "POST"])
def password(request: HttpRequest) -> HttpResponse:
    """Change the own password."""
    mine = services.must_be_local(own(request))
    has = factors.of(mine)
    # With a second factor the password until now is not all that has to be shown.
    if has and not sessions.is_proved(request):
        return sessions.ask_first(request)
    form = PasswordForm(mine, None if "suggest" in request.POST else request.POST or None)
    if form.is_valid() and not _knows_old(request, form):
        form.add_error("old", _("This is not your password."))
    if not form.is_valid():
        shown = {"form": form, "offer": passwords.suggest()}
        return with_scripts(render(request, "staff/password.html", shown, status=status_of(form)))
    services.change_password(mine, password=form.cleaned_data["password"])
    sessions.go_on(request, mine)
    if not has:
        sessions.prove(request)
    messages.success(request, _("The password is changed; other sessions are logged out."))
    return redirect("staff:account")


def _knows_old(request: HttpRequest, form: PasswordForm) -> bool:
    return entrance.confirms(
        own(request),
        form.cleaned_data["old"],
        address=visitors.address_of(request),
        cookie=known.cookie_of(request),
    )


@require_POST
@sessions.proved
def email(request: HttpRequest) -> HttpResponse:
    """Change where logins from new sources are told."""
    form = EmailForm(request.POST)
    if form.is_valid():
        services.change_email(own(request), form.cleaned_data["email"])
        messages.success(request, _("The address is kept."))
    else:
        messages.error(request, " ".join(map(str, form.errors["email"])))
    return redirect("staff:account")


@require_POST
def end_sessions(request: HttpRequest) -> HttpResponse:
    """End every other session, and let all browsers be strangers again."""
    services.end_sessions(own(request), by=own(request).name)
    sessions.go_on(request, own(request))
    messages.success(request, _("All other sessions are ended."))
    return redirect("staff:account")


@require_http_methods(["GET", "POST"])
@sessions.proved
def app(request: HttpRequest) -> HttpResponse:
    """Set up codes from an app."""
    form = CodeForm(request.POST or None)
    form.fields["code"].help_text = ""
    if form.is_valid():
        try:
            codes = factors.add_app(own(request), request.session, form.cleaned_data["code"])
            return _added(request, codes)
        except ValidationError as error:
            form.add_error("code", error)
    seed = factors.new_seed(request.session)
    address = factors.seed_address(own(request), seed)
    shown = {
        "form": form,
        "svg": factors.seed_svg(address),
        "secret": factors.spelt(seed),
    }
    return render(request, "staff/app.html", shown, status=status_of(form))


@require_http_methods(["GET", "POST"])
@sessions.proved
def add_passkey(request: HttpRequest) -> HttpResponse:
    """Make a passkey."""
    form = PasskeyForm(request.POST or None)
    if form.is_valid():
        try:
            credential = factors.read_credential(form.cleaned_data["credential"])
            name = form.cleaned_data["name"]
            return _added(
                request, factors.add_passkey(own(request), name=name, credential=credential)
            )
        except ValidationError as error:
            form.add_error(None, error)
    shown = {"form": form, "options": factors.begin_passkey(own(request))}
    return with_scripts(render(request, "staff/add_passkey.html", shown, status=status_of(form)))


def _added(request: HttpRequest, codes: list[str]) -> HttpResponse:
    sessions.go_on(request, own(request))
    if codes:
        return render(request, "staff/codes.html", {"codes": codes}, status=201)
    messages.success(request, _("It is kept; other sessions are logged out."))
    return redirect("staff:account")


@require_POST
@sessions.proved
def new_codes(request: HttpRequest) -> HttpResponse:
    """Make new recovery codes; they are shown in this answer only."""
    codes = factors.new_codes(own(request))
    return render(request, "staff/codes.html", {"codes": codes}, status=201)


@require_POST
@sessions.proved
def remove_factor(request: HttpRequest, number: int) -> HttpResponse:
    """Take a second factor away."""
    factors.remove(own(request), number, by=own(request).name)
    messages.success(request, _("It is removed."))
    return redirect("staff:account")
