"""What an owner alone does, each confirmed again: further accounts, and the restart."""

from starlette.requests import Request
from starlette.responses import Response

from holdfast.core.errors import HoldfastError
from holdfast.device.broker.wire import UnreachableError
from holdfast.device.gui import accounts
from holdfast.device.gui.backends import Backends
from holdfast.device.gui.desk import Desk, Shown, Trouble, sentence, shown, status_of, to
from holdfast.device.gui.entry import offered
from holdfast.device.gui.forms import one
from holdfast.device.gui.texts import translate as _

_LONGEST_NAME = 32
_COMES_BACK_S = 10


class RulingPages:
    """The pages of an owner about people and the device.

    Args:
        desk: What all pages share.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def _backends(self) -> Backends:
        return self._desk.backends

    async def people(self, request: Request) -> Response:
        """Show all accounts that this device keeps."""
        session = self._desk.ruling(request)
        done = {"added": _("The account was added."), "removed": _("The account was removed.")}
        return await self._desk.page(
            request,
            "people.html",
            here="account",
            rows=await accounts.rows(self._backends),
            own=session.name,
            saved=done.get(request.query_params.get("done", ""), ""),
        )

    async def add(self, request: Request) -> Response:
        """Make a further account."""
        self._desk.ruling(request)
        if request.method != "POST":
            return await self._add(request, {})
        fields = await self._desk.session_form(request)
        if one(fields, "do") in {"take", "another"}:
            return await self._add(request, fields)
        args = {
            "name": one(fields, "name").strip(),
            "password": one(fields, "password"),
            "role": one(fields, "role"),
        }
        try:
            refusal = await self._refusal(args["name"], args["password"])
            if refusal is not None:
                return await self._add(request, fields, told=refusal, status=422)
            proof = await self._desk.proven(request, "account.add", args, one(fields, "secret"))
            await self._backends.ask("account.add", args, slow=True, proof=proof)
        except HoldfastError as error:
            told = shown(error, by_code=await self._by_code(request))
            return await self._add(request, fields, told=told, status=status_of(error))
        return to("/people?done=added")

    async def _refusal(self, name: str, password: str) -> Shown | None:
        """Say what speaks against a password before a code is used up: each is good once."""
        told = await self._backends.ask(
            "account.check", {"name": name, "password": password}, slow=True
        )
        message, hint = str(told.get("message", "")), str(told.get("hint", ""))
        if not message:
            return None
        return Shown(message=sentence(_(message)), hint=_(hint), field="password")

    async def _add(
        self, request: Request, fields: dict[str, str], *,
        told: Shown | None = None, status: int = 200,
    ) -> Response:  # fmt: skip
        suggestion, taken = await offered(self._backends, fields)
        roles = self._desk.roles
        return await self._desk.page(
            request,
            "person.html",
            here="account",
            error=told,
            status=status,
            by_code=await self._by_code(request),
            suggestion=suggestion,
            taken=taken,
            roles=[{"role": role, "text": accounts.role_text(role)} for role in reversed(roles)],
            entered={"name": one(fields, "name"), "role": one(fields, "role") or roles[-1]},
        )

    async def remove(self, request: Request) -> Response:
        """Remove an account."""
        self._desk.ruling(request)
        if request.method != "POST":
            return await self._remove(request, request.query_params.get("name", ""))
        fields = await self._desk.session_form(request)
        name = one(fields, "name")
        try:
            args = {"name": name}
            proof = await self._desk.proven(request, "account.remove", args, one(fields, "secret"))
            await self._backends.ask("account.remove", args, proof=proof)
        except HoldfastError as error:
            return await self._remove(request, name, error=error)
        self._backends.forget_epochs()
        return to("/people?done=removed")

    async def _remove(
        self, request: Request, name: str, *, error: HoldfastError | None = None
    ) -> Response:
        by_code = await self._by_code(request)
        return await self._desk.page(
            request,
            "person_off.html",
            here="account",
            error=shown(error, by_code=by_code) if error is not None else None,
            status=status_of(error) if error is not None else 200,
            by_code=by_code,
            name=name[:_LONGEST_NAME],
        )

    async def restart(self, request: Request) -> Response:
        """Restart the device."""
        desk = self._desk
        desk.ruling(request)
        if request.method != "POST":
            return await self._restart(request)
        fields = await desk.session_form(request)
        try:
            proof = await desk.proven(request, "reboot", {}, one(fields, "secret"))
        except HoldfastError as error:
            return await self._restart(request, error=error)
        try:
            await self._backends.restart(proof)
        except UnreachableError as error:
            if "without an answer" not in str(error):  # it went down before it could answer
                raise
        trouble = Trouble(
            title=_("The device restarts"),
            lines=(_("This page comes back by itself, within a minute or so."),),
            kind="note",
            again_s=_COMES_BACK_S,
            again_to="/",
            link="/",
            link_text=_("Go to the update page"),
        )
        return await desk.trouble(request, trouble, status=200)

    async def _restart(self, request: Request, *, error: HoldfastError | None = None) -> Response:
        by_code = await self._by_code(request)
        return await self._desk.page(
            request,
            "restart.html",
            here="settings",
            error=shown(error, by_code=by_code) if error is not None else None,
            status=status_of(error) if error is not None else 200,
            by_code=by_code,
        )

    async def _by_code(self, request: Request) -> bool:
        return await accounts.has_second(self._backends, self._desk.ruling(request))
