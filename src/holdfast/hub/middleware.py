"""Headers on every answer, and the one place where errors become pages or JSON."""

import errno
import secrets
import sys
import traceback
from collections.abc import Callable

import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from holdfast.accounts.errors import HashingBusyError, ThrottledError
from holdfast.core.errors import HoldfastError, NoSpaceError
from holdfast.hub.database import named
from holdfast.hub.errors import (
    BadRequestError,
    FormOutdatedError,
    InternalError,
    NotAllowedError,
    NotFoundError,
    TokenError,
    TooLargeError,
)

Answer = Callable[[HttpRequest], HttpResponse]
log = structlog.get_logger()

API = "/api/"
# Hardly a page has a script, and none has one inside; what a page loads comes from the hub itself.
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
# For the pages that ask the browser for a passkey, or show what is being typed.
WITH_SCRIPTS = POLICY + "; script-src 'self'"
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # With no-referrer browsers send `Origin: null` with forms, and CSRF protection refuses them.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_YEAR_S = 31_536_000


class HeaderMiddleware:
    """Puts the security headers on every answer, static files and errors included."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, and add the headers."""
        response = self.get_response(request)
        for name, value in HEADERS.items():
            # Only an audit report, which brings its own script, names a policy of its own.
            response.headers.setdefault(name, value)
        if settings.HUB.secure:
            response.headers["Strict-Transport-Security"] = f"max-age={_YEAR_S}"
        response.headers.setdefault("Cache-Control", "no-store")
        return response


def show(request: HttpRequest, error: HoldfastError) -> HttpResponse:
    """Turn one of our errors into a page, or into JSON for the API."""
    if request.path.startswith(API):
        content = {"code": error.code, "message": str(error), "hint": error.hint}
        response: HttpResponse = JsonResponse({"error": content}, status=error.http_status)
        if isinstance(error, TokenError):
            response.headers["WWW-Authenticate"] = "Bearer"
    else:
        response = render(request, "error.html", {"error": error}, status=error.http_status)
    if isinstance(error, ThrottledError):
        response.headers["Retry-After"] = str(error.wait_s)
    if isinstance(error, HashingBusyError):
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def ours(error: Exception) -> HoldfastError:
    """Turn any error into one of ours; one that nobody expected is logged under a number."""
    known: HoldfastError | None = None
    if isinstance(error, HoldfastError):
        known = error
    elif isinstance(error, Http404):
        known = NotFoundError("there is nothing at this address")
    elif isinstance(error, PermissionDenied):
        known = NotAllowedError("this is not allowed")
    elif isinstance(error, SuspiciousOperation):
        known = BadRequestError("the request cannot be understood")
    elif isinstance(error, DatabaseError):
        known = named(error)
    elif isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        known = NoSpaceError("the disk of the hub is full")
    return known or unexpected(error)


def unexpected(error: BaseException | None) -> InternalError:
    """Log an error that nobody foresaw; without the values of variables, which may be secret."""
    number = secrets.token_hex(4)
    log.error("request.failed", number=number, trace=traceback.format_exception(error))
    return InternalError(number=number)


class FormMiddleware:
    """Refuses bodies longer than any form, before Django reads them for whoever asks.

    CSRF protection reads a form whole, its files onto the disk, before anybody has logged in. The
    API reads its bodies itself, once it has seen a token.
    """

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on if its body is short enough."""
        said = str(request.META.get("CONTENT_LENGTH") or 0)
        largest = settings.FILE_UPLOAD_MAX_MEMORY_SIZE
        if request.path.startswith(API) or not said.isdecimal() or int(said[:18]) <= largest:
            return self.get_response(request)
        error = TooLargeError(f"forms and the files in them may have up to {largest} bytes")
        error.hint = "Choose a smaller file; images are published with `holdfast release publish`."
        return show(request, error)


class ErrorMiddleware:
    """Shows what a view raised."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse:
        """Answer in place of the view that raised."""
        return show(request, ours(exception))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form that came from elsewhere or is too old."""
    log.warning("form.refused", reason=reason)
    return show(request, FormOutdatedError("the form is out of date or came from elsewhere"))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what Django refused before a view was found, such as a foreign Host header."""
    del exception
    return show(request, BadRequestError("the request cannot be understood"))


def not_allowed(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what Django forbade before a view was found."""
    return show(request, ours(exception))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an address at which nothing is."""
    del exception
    return show(request, NotFoundError("there is nothing at this address"))


def failed(request: HttpRequest) -> HttpResponse:
    """Answer when something failed outside of any view."""
    error = sys.exc_info()[1]
    return show(request, ours(error) if isinstance(error, Exception) else unexpected(error))
