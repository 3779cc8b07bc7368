"""Pages at the door: login, second factor, passkeys, providers, set-up links, showing it again."""

from urllib.parse import urlencode

from django.contrib import auth, messages
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from holdfast.hub.middleware import WITH_SCRIPTS
from holdfast.hub.staff import (
    arrival,
    entrance,
    factors,
    known,
    passwords,
    queries,
    services,
    sessions,
    visitors,
    visits,
)
from holdfast.hub.staff.forms import AccountForm, CodeForm, ConfirmForm, CredentialForm, LoginForm
from holdfast.hub.staff.models import Origin
from holdfast.hub.staff.views import own, status_of


def target_of(request: HttpRequest) -> str:
    """Return the path in `?next=`, if it is one of this hub."""
    target = request.GET.get("next", "")
    safe = url_has_allowed_host_and_scheme(target, allowed_hosts=None)
    return target if safe and target.startswith("/") else resolve_url("staff:home")


def with_scripts(answer: HttpResponse) -> HttpResponse:
    """Let a page load the scripts of this hub."""
    answer.headers["Content-Security-Policy"] = WITH_SCRIPTS
    return answer


@login_not_required
@require_http_methods(["GET", "POST"])
def login(request: HttpRequest) -> HttpResponse:
    """Show the login page, and log in when it comes back filled in."""
    if request.method == "GET" and request.headers.get("Sec-Fetch-Site") == "cross-site":
        # A link from elsewhere brings no session with it; what this page loads itself does.
        return render(request, "staff/hop.html", {"target": target_of(request)})
    form = LoginForm(request.POST or None)
    if form.is_valid():
        found = entrance.enter(_attempt(request, form))
        if found is not None:
            back = target_of(request)
            return arrival.first_step_done(request, found.account, how=found.how, back=back)
        form.add_error(None, _("Name or password is wrong."))
    shown = {
        "form": form,
        "has_staff": queries.can_log_in(),
        "providers": queries.providers(),
        "passkeys": arrival.is_secure_enough(),
        "next": target_of(request),
    }
    return with_scripts(render(request, "staff/login.html", shown, status=status_of(form)))


def _attempt(request: HttpRequest, form: LoginForm) -> entrance.Attempt:
    return entrance.Attempt.of(**form.cleaned_data, **_from(request))


@login_not_required
@require_http_methods(["GET", "POST"])
def second(request: HttpRequest) -> HttpResponse:
    """Ask for the second factor of whoever did the first step."""
    account, _found = arrival.pending(request)
    form = CodeForm(request.POST or None)
    if form.is_valid():
        how = factors.use_code(account, form.cleaned_data["code"], **_from(request))
        if how is not None:
            return arrival.second_step_done(request, how=how)
        arrival.second_step_failed(request)
        form.add_error("code", _("This is not right, or was used already. Try once more."))
    has = factors.of(account)
    options = factors.begin_passkey_login(account) if has.passkeys else None
    shown = {"form": form, "factors": has, "options": options, "credential": CredentialForm()}
    return with_scripts(render(request, "staff/second.html", shown, status=status_of(form)))


@login_not_required
@require_POST
def second_passkey(request: HttpRequest) -> HttpResponse:
    """Take a passkey as the second factor."""
    account, _found = arrival.pending(request)
    try:
        form = CredentialForm(request.POST)
        credential = factors.read_credential(form.data.get("credential", ""))
        factors.passkey_login(account, credential)
    except ValidationError as error:
        arrival.second_step_failed(request)
        messages.error(request, " ".join(error.messages))
        return redirect("staff:second")
    return arrival.second_step_done(request, how=factors.PASSKEY)


@login_not_required
@require_POST
def passkey(request: HttpRequest) -> HttpResponse:
    """Show the page that asks the browser for a passkey, and log in with what it gives."""
    arrival.hold(request)
    if "credential" not in request.POST:
        options = factors.begin_passkey_login(None)
        shown = {"options": options, "credential": CredentialForm(), "next": target_of(request)}
        return with_scripts(render(request, "staff/passkey.html", shown))
    try:
        account = factors.passkey_login(None, factors.read_credential(request.POST["credential"]))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect("staff:login")
    return arrival.welcome(request, account, how=factors.PASSKEY, back=target_of(request))


@login_not_required
@require_POST
def openid(request: HttpRequest, name: str) -> HttpResponse:
    """Send the browser to a provider."""
    from holdfast.hub.staff import openid as provider  # noqa: PLC0415 - loads much, used rarely

    arrival.hold(request)
    return provider.depart(request, name, back=target_of(request))


@login_not_required
@require_GET
def openid_callback(request: HttpRequest, name: str) -> HttpResponse:
    """Handle what the browser brings from a provider."""
    from holdfast.hub.staff import openid as provider  # noqa: PLC0415 - loads much, used rarely

    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        return render(request, "staff/hop.html", {"target": request.get_full_path()})
    return provider.came_back(request, name)


@require_POST
def logout(request: HttpRequest) -> HttpResponse:
    """Log out."""
    visits.left(request)
    auth.logout(request)
    return redirect("staff:login")


@login_not_required
@require_http_methods(["GET", "POST"])
def setup(request: HttpRequest, token: str) -> HttpResponse:
    """Show the set-up page, and make the account when it comes back filled in."""
    services.open_setup_link(token)
    form = AccountForm(None if "suggest" in request.POST else request.POST or None)
    if not form.is_valid():
        shown = {"form": form, "offer": passwords.suggest()}
        return with_scripts(render(request, "staff/setup.html", shown, status=status_of(form)))
    given = {field: form.cleaned_data[field] for field in ("name", "password", "email")}
    account = services.make_account(token, **given)
    answer = arrival.welcome(request, account, how="set-up link", back=resolve_url("staff:home"))
    messages.success(request, _("Welcome. This account is yours; the set-up link is used up."))
    return answer


@require_http_methods(["GET", "POST"])
def confirm(request: HttpRequest) -> HttpResponse:
    """Let whoever is logged in show once more who it is, before something dangerous."""
    account, back = own(request), target_of(request)
    has = factors.of(account)
    is_openid = account.origin == Origin.OPENID
    # A code of whom a provider knows counts after the provider's yes, not in its place.
    has_factor = bool(has) and (not is_openid or sessions.is_half_proved(request))
    form = ConfirmForm(request.POST or None, has_password=not is_openid, has_factor=has_factor)
    if form.is_valid():
        if _is_shown(request, form):
            sessions.prove(request)
            services.record(by=account.name, what="account.confirmed", subject=account.name)
            return redirect(back)
        form.add_error(None, _("This is not right."))
    shown = {
        "form": form,
        "options": factors.begin_passkey_login(account) if has.passkeys else None,
        "provider": account.name.rpartition("@")[2] if is_openid and not has_factor else "",
        "next": back,
    }
    return with_scripts(render(request, "staff/confirm.html", shown, status=status_of(form)))


def _is_shown(request: HttpRequest, form: ConfirmForm) -> bool:
    account, typed = own(request), form.cleaned_data
    # The password first: who does not know it uses up no code, and learns nothing of one.
    if "password" in typed and not entrance.confirms(account, typed["password"], **_from(request)):
        return False
    if "code" in typed:
        return factors.use_code(account, typed["code"], **_from(request)) is not None
    return "password" in typed  # a form that asks for nothing shows nothing


def _from(request: HttpRequest) -> dict[str, str]:
    """Say where a request comes from."""
    return {"address": visitors.address_of(request), "cookie": known.cookie_of(request)}


@require_POST
def confirm_passkey(request: HttpRequest) -> HttpResponse:
    """Take a passkey as the proof."""
    try:
        credential = factors.read_credential(request.POST.get("credential", ""))
        factors.passkey_login(own(request), credential)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        here = urlencode({"next": target_of(request)})
        return redirect(f"{resolve_url('staff:confirm')}?{here}")
    sessions.prove(request)
    services.record(by=own(request).name, what="account.confirmed", subject=own(request).name)
    return redirect(target_of(request))


@require_POST
def confirm_openid(request: HttpRequest) -> HttpResponse:
    """Send whoever came by a provider there once more."""
    from holdfast.hub.staff import openid as provider  # noqa: PLC0415 - loads much, used rarely

    name = own(request).name.rpartition("@")[2]
    return provider.depart(request, name, back=target_of(request), confirm=True)
