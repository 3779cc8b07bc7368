"""Bodies of forms: bounded before they are read, strict before they are believed."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request

from holdfast.core.errors import HoldfastError

LONGEST_BODY = 8192
MOST_FIELDS = 12
_TYPE = "application/x-www-form-urlencoded"


class FormError(HoldfastError):
    """A form did not come as this device's own pages send it."""

    code = "gui-form"
    http_status = 400
    hint = "Go back, load the page again and repeat what you did."


class BodyTooLargeError(FormError):
    """A body is longer than any form of this device."""

    code = "gui-body-too-large"
    http_status = 413

    def __init__(self) -> None:
        super().__init__("What was sent is too long.")


async def fields_of(
    request: Request, *, longest: int = LONGEST_BODY, most: int = MOST_FIELDS
) -> dict[str, str]:
    """Read the fields of a form.

    Args:
        request: The request.
        longest: Bytes that its body may have.
        most: Fields that it may have.

    Raises:
        BodyTooLargeError: The body is longer than that.
        FormError: It is not a form, or a field stands in it twice.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise FormError("What was sent is not a form of this device.")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > longest:
            raise BodyTooLargeError
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=most,
        )
    except ValueError as error:
        raise FormError("What was sent cannot be read.") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise FormError("A field was sent twice.")
    return fields


def one(fields: Mapping[str, str], name: str) -> str:
    """Give a field, empty if it was not sent."""
    return fields.get(name, "")
