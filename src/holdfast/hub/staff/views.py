"""Pages about staff: read, call, answer."""

from typing import cast

from django.contrib import auth, messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from holdfast.hub.staff import overview, queries, services, visitors
from holdfast.hub.staff.forms import AccountForm, LoginForm, PasswordForm, TokenForm
from holdfast.hub.staff.models import Account, ApiToken


def actor(request: HttpRequest) -> str:
    """Name whoever is logged in, for the audit trail."""
    return cast("Account", request.user).name


def status_of(form: LoginForm | AccountForm | PasswordForm | TokenForm) -> int:
    """Return the status of a page with this form: 422 if it came back with faults."""
    return 422 if form.is_bound else 200


def _next(request: HttpRequest) -> str:
    target = request.GET.get("next", "")
    safe = url_has_allowed_host_and_scheme(target, allowed_hosts=None)
    return target if safe and target.startswith("/") else resolve_url("staff:home")


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show the five recommendations for every product."""
    shown = {"products": overview.products(), "lines": queries.latest_lines(5)}
    return render(request, "staff/home.html", shown)


@login_not_required
@require_http_methods(["GET", "POST"])
def login(request: HttpRequest) -> HttpResponse:
    """Show the login page, and log in when it comes back filled in."""
    form = LoginForm(request.POST or None)
    if form.is_valid():
        address = visitors.address_of(request)
        account = services.check_password(**form.cleaned_data, address=address)
        if account is not None:
            auth.login(request, account)
            return redirect(_next(request))
        form.add_error(None, _("Name or password is wrong."))
    shown = {"form": form, "has_staff": queries.has_staff()}
    return render(request, "staff/login.html", shown, status=status_of(form))


@require_POST
def logout(request: HttpRequest) -> HttpResponse:
    """Log out."""
    auth.logout(request)
    return redirect("staff:login")


@login_not_required
@require_http_methods(["GET", "POST"])
def setup(request: HttpRequest, token: str) -> HttpResponse:
    """Show the set-up page, and make the account when it comes back filled in."""
    services.open_setup_link(token)
    form = AccountForm(request.POST or None)
    if not form.is_valid():
        return render(request, "staff/setup.html", {"form": form}, status=status_of(form))
    name, password = form.cleaned_data["name"], form.cleaned_data["password"]
    account = services.make_account(token, name=name, password=password)
    auth.login(request, account)
    messages.success(request, _("Welcome. This account is yours; the set-up link is used up."))
    return redirect("staff:home")


@require_http_methods(["GET", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """Show one's own account, and change the password."""
    own = cast("Account", request.user)
    form = PasswordForm(own, request.POST or None)
    if not form.is_valid():
        return render(request, "staff/account.html", {"form": form}, status=status_of(form))
    services.change_password(own, password=form.cleaned_data["password"])
    auth.update_session_auth_hash(request, own)
    messages.success(request, _("The password is changed; other sessions are logged out."))
    return redirect("staff:account")


@require_safe
def trail(request: HttpRequest) -> HttpResponse:
    """Show the audit trail, newest first."""
    page = queries.trail_page(request.GET.get("page"))
    lines = [queries.line_of(entry) for entry in page]
    return render(request, "staff/trail.html", {"page": page, "lines": lines})


@require_http_methods(["GET", "POST"])
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
def revoke(request: HttpRequest, number: int) -> HttpResponse:
    """End an API token."""
    services.revoke_token(get_object_or_404(ApiToken, pk=number), by=actor(request))
    messages.success(request, _("The token opens nothing any more."))
    return redirect("staff:tokens")
