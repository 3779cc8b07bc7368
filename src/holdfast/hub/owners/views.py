"""Pages behind the links in mails, and the staff's page about mails.

The owners' pages know nobody: no login, no cookie. The token in the link is the whole permission,
so a forged request from another site could do no more than its author, who lacks the token.
"""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods

from holdfast.hub.owners import queries, services


@csrf_exempt
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """Show a button; only pressing it confirms, for scanners of mail open every link."""
    done = request.method == "POST"
    subscription = services.confirm(token) if done else services.pending_or_active(token)
    shown = {"product": subscription.device.product, "done": done}
    return render(request, "owners/confirm.html", shown)


@csrf_exempt
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Show a button; a mail program's one click comes here as a POST of its own."""
    done = request.method == "POST"
    if done:
        services.unsubscribe(token)
    else:
        services.mail_of(token)
    return render(request, "owners/unsubscribe.html", {"done": done})


@require_GET
def mails(request: HttpRequest) -> HttpResponse:
    """Show staff what became of the mails, without addresses."""
    state = request.GET.get("state", "")
    page = queries.mail_page(request.GET.get("page"), state=state)
    lines = [queries.line_of(mail) for mail in page]
    shown = {"page": page, "lines": lines, "totals": queries.totals(), "state": state}
    return render(request, "owners/mails.html", shown)
