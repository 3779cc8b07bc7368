"""The API through which the maker's side publishes. It knows tokens and no cookies."""

from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, BinaryIO, Concatenate, ParamSpec, TypeVar, cast

import msgspec
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt

from holdfast.hub.errors import BadRequestError, LengthNeededError, MethodError, TooLargeError
from holdfast.hub.releases import jobs, judgements, services
from holdfast.hub.releases.models import Judgement, Release
from holdfast.hub.staff.services import accept_token

LARGEST_JSON_BYTES = 32 << 20
_MOST_FILES = 16

Asked = TypeVar("Asked")
Rest = ParamSpec("Rest")
View = Callable[Concatenate[HttpRequest, str, Rest], HttpResponse]


class ListsRequest(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Signed lists without a release.

    Attributes:
        metadata: Content by name, in base64 on the wire.
    """

    metadata: dict[str, bytes]


class PublishRequest(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A signed release whose files have been uploaded.

    Attributes:
        metadata: Content of the signed lists by name, in base64 on the wire.
        files: SHA-256 of each file by its target path.
        offer: Whether to offer it to all devices of its product as soon as its audit allows.
    """

    metadata: dict[str, bytes]
    files: Annotated[dict[str, str], msgspec.Meta(max_length=_MOST_FILES)]
    offer: bool = False


def with_token(*methods: str) -> Callable[[View[Rest]], Callable[..., HttpResponse]]:
    """Let a request to a view in only with a valid token; cookies are not even looked at."""

    def decorate(view: View[Rest]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def answer(request: HttpRequest, *args: Rest.args, **kwargs: Rest.kwargs) -> HttpResponse:
            must_be_method(request, *methods)
            by = accept_token(request.headers.get("Authorization", ""))
            return view(request, by, *args, **kwargs)

        return cast("Callable[..., HttpResponse]", csrf_exempt(login_not_required(answer)))

    return decorate


def must_be_method(request: HttpRequest, *methods: str) -> None:
    """Refuse other methods.

    Raises:
        MethodError: The method is none of these.
    """
    if request.method not in methods:
        raise MethodError(f"only {', '.join(methods)} is answered here")


def length_of(request: HttpRequest) -> int:
    """Return how long the body says it is.

    Raises:
        LengthNeededError: It does not say.
    """
    length = request.META.get("CONTENT_LENGTH", "")
    if not str(length).isdecimal():
        raise LengthNeededError("the request does not say how long it is")
    return int(length)


def read(request: HttpRequest, shape: type[Asked]) -> Asked:
    """Read a JSON body into a shape.

    Raises:
        TooLargeError: It is too long.
        BadRequestError: It has another shape.
    """
    size_bytes = length_of(request)
    if size_bytes > LARGEST_JSON_BYTES:
        raise TooLargeError(f"up to {LARGEST_JSON_BYTES} bytes of JSON are taken here")
    try:
        return msgspec.json.decode(request.read(size_bytes), type=shape)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadRequestError(f"the JSON is not as it should be: {error}") from error


@with_token("PUT", "HEAD")
def upload(request: HttpRequest, _by: str, sha256: str) -> HttpResponse:
    """Take a file in, or tell (HEAD) whether it is here already."""
    kept = services.uploads()
    if request.method == "HEAD":
        return HttpResponse(status=200 if kept.has(sha256) else 404)
    kept.take(cast("BinaryIO", request), sha256=sha256, size_bytes=length_of(request))
    return JsonResponse({"sha256": sha256}, status=201)


@with_token("POST")
def publish(request: HttpRequest, by: str) -> HttpResponse:
    """Take in a release, and offer it if that was asked for."""
    asked = read(request, PublishRequest)
    stored = services.publish(asked.metadata, asked.files, by=by)
    judgements.ask(stored)
    if asked.offer:
        judgements.want_offered(stored, by=by)
    offered = jobs.offer_if_wished(stored)
    return JsonResponse({"release": described(stored), "offered": offered}, status=201)


@with_token("GET")
def judgement(request: HttpRequest, by: str, number: int) -> HttpResponse:
    """Tell how far the hub's audit of a release is, and what it says."""
    del request, by
    found = get_object_or_404(Judgement, release_id=number)
    facts = {
        "state": found.state,
        "open": found.open,
        "stage": found.stage,
        "share": found.share,
        "objections": found.objections,
        "undecided": found.undecided,
        "waits_to_be_offered": bool(found.offer_by),
    }
    return JsonResponse(facts)


def described(stored: Release) -> dict[str, Any]:
    """Describe a release for a program."""
    page = reverse("releases:release", kwargs={"number": stored.pk})
    return {
        "id": stored.pk,
        "product": stored.product_id,
        "version": stored.version,
        "url": f"{settings.HUB.url}{page}",
    }


@with_token("POST")
def lists(request: HttpRequest, by: str) -> HttpResponse:
    """Take in signed lists; the first time this is what decides whom the hub trusts."""
    first = services.take_lists(read(request, ListsRequest).metadata, by=by)
    return JsonResponse({"first": first}, status=201 if first else 200)


@csrf_exempt
@login_not_required
def online_keys(request: HttpRequest) -> HttpResponse:
    """Give the public halves of the keys with which this hub signs; they are no secret."""
    must_be_method(request, "GET")
    content = services.online_keys(settings.HUB).public_bytes()
    return HttpResponse(content, content_type="application/json")
