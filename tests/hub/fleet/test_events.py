import json
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.hub.fleet import events, queries, services
from holdfast.hub.fleet.events import handle_events
from holdfast.hub.fleet.models import Device, Event, LastSeen, Offer
from holdfast.hub.fleet.reports import clean
from holdfast.hub.moments import now_ms
from holdfast.hub.products.models import Product
from holdfast.hub.releases.models import Release

DAY_MS = 24 * 3600 * 1000


class Talk:
    """A device that reports, as the gateway writes it down, and a worker that handles it."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.at_ms = 1_000_000

    def says(self, kind: str, body: object, *, offer: "Offer | int | None" = None) -> None:
        self.at_ms += 1000
        Event.objects.create(
            device_id=self.device.pk,
            offer_id=getattr(offer, "pk", offer),
            kind=kind,
            body=body if isinstance(body, str) else json.dumps(body),
            at_ms=self.at_ms,
        )
        assert handle_events() == 1
        assert handle_events() == 0
        self.device.refresh_from_db()

    def feedback(
        self, offer: "Offer | int | None", execution: str, finished: str = "none", *details: str
    ) -> None:
        self.says(
            "feedback",
            {"execution": execution, "finished": finished, "details": details},
            offer=offer,
        )

    def runs(self, version: str, **more: str) -> None:
        more = {name.replace("_", "."): value for name, value in more.items()}
        self.says("attributes", {"mode": "merge", "data": {"holdfast.version": version} | more})

    def codes(self) -> list[str]:
        return list(self.device.history.order_by("pk").values_list("code", flat=True))


@pytest.fixture
def talk(device: Device) -> Talk:
    return Talk(device)


@pytest.fixture
def offer(device: Device, release: Callable[..., Release]) -> Offer:
    services.offer(release("1.1"), by="ada")
    return device.offers.get()


def state_of(offer: Offer) -> tuple[str, bool]:
    offer.refresh_from_db()
    return offer.state, offer.closed_ms is not None


def test_our_agent_from_offer_to_confirmation(talk: Talk, offer: Offer) -> None:
    talk.runs("1.0", holdfast_boot="one")
    talk.says("retrieved", {}, offer=offer)
    talk.feedback(offer, "download")
    talk.feedback(offer, "downloaded")
    talk.feedback(offer, "proceeding", "none", "installed in slot b, restarting")
    assert state_of(offer) == ("downloaded", False)
    talk.runs("1.1", holdfast_boot="two")
    assert state_of(offer) == ("downloaded", False)  # it has not closed the offer yet
    talk.feedback(offer, "closed", "success")
    assert state_of(offer) == ("confirmed", True)
    assert talk.codes()[-2:] == ["offer-installed", "offer-confirmed"]
    assert talk.device.wants_attributes is False


def test_a_foreign_client_is_installed_first_and_confirmed_later(talk: Talk, offer: Offer) -> None:
    talk.says("attributes", {"data": {"version": "1.0"}})
    assert talk.device.wants_attributes is False
    talk.feedback(offer, "closed", "success")
    assert state_of(offer) == ("installed", False)
    assert talk.device.wants_attributes is True
    talk.says("attributes", {"data": {"version": "1.0"}})  # it has not restarted yet
    assert state_of(offer) == ("installed", False)
    assert talk.device.wants_attributes is True
    talk.says("attributes", {"data": {"version": "1.1"}})
    assert state_of(offer) == ("confirmed", True)
    assert talk.device.wants_attributes is False


def test_an_old_version_after_a_restart_is_a_fall_back(talk: Talk, offer: Offer) -> None:
    talk.runs("1.0", holdfast_boot="one")
    talk.feedback(offer, "closed", "success")
    talk.runs("1.0", holdfast_boot="two")
    assert state_of(offer) == ("failed", True)
    assert offer.reason_code == "update-unhealthy"
    assert talk.codes()[-1] == "offer-fell-back"
    assert "fell back" in queries.history(talk.device)[0][0].text


def test_a_client_without_boot_id_gets_a_day_to_restart(talk: Talk, offer: Offer) -> None:
    talk.runs("1.0")
    talk.feedback(offer, "closed", "success")
    talk.at_ms += DAY_MS
    talk.runs("1.0")
    assert state_of(offer) == ("failed", True)
    talk.runs("1.1")  # late, but the running system has the last word
    assert state_of(offer) == ("confirmed", True)


def test_our_agent_reports_a_fall_back_itself(talk: Talk, offer: Offer) -> None:
    talk.runs("1.0", holdfast_boot="one")
    talk.runs("1.0", holdfast_boot="three")
    talk.feedback(offer, "closed", "failure", "[update-unhealthy] The page did not answer.")
    assert state_of(offer) == ("failed", True)
    assert (offer.reason_code, offer.reason) == ("update-unhealthy", "The page did not answer.")


def test_a_refusal_keeps_its_reason(talk: Talk, offer: Offer) -> None:
    talk.feedback(
        offer, "closed", "failure", "[update-tampered] The file is not the one that was signed."
    )
    assert state_of(offer) == ("refused", True)
    text = queries.history(talk.device)[0][0].text
    assert "The file is not the one that the manufacturer signed." in text


def test_what_holds_an_offer_up_is_told_until_it_goes_on(talk: Talk, offer: Offer) -> None:
    talk.runs("1.0")
    talk.says("retrieved", {}, offer=offer)
    talk.feedback(offer, "proceeding", "none", "[update-clock] The clock shows 1970.")
    LastSeen.objects.create(pk=talk.device.pk, at_ms=now_ms())
    answer = queries.why(talk.device)
    assert (answer.code, state_of(offer)) == ("held-up", ("retrieved", False))
    assert "The clock shows 1970." in answer.text
    assert "clock" in answer.to_do
    talk.feedback(offer, "download")
    offer.refresh_from_db()
    assert (offer.reason_code, queries.why(talk.device).code) == ("", "downloading")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Put off until 1970-01-05T02:00:00Z by the owner", "until 1970-01-05 02:00 UTC."),
        (
            "the owner put it off until 1970-01-05 02:00",
            "1970-01-05 02:00 by the device's own clock.",
        ),
    ],
)
def test_putting_off_names_the_moment(talk: Talk, offer: Offer, said: str, shown: str) -> None:
    talk.feedback(offer, "scheduled", "none", said)
    assert state_of(offer) == ("deferred", False)
    assert offer.waits_until_ms == 4 * DAY_MS + 2 * 3600 * 1000
    assert queries.history(talk.device)[0][0].text.endswith(shown)


@pytest.mark.parametrize("said", ["", "9999-99-99 99:99", "2999-01-01T00:00:00Z", "soon"])
def test_putting_off_without_a_moment_waits_for_the_owner(
    talk: Talk, offer: Offer, said: str
) -> None:
    talk.feedback(offer, "scheduled", "none", said)
    assert state_of(offer) == ("deferred", False)
    assert offer.waits_until_ms is None
    assert talk.codes()[-1] == "offer-waiting"


@pytest.mark.parametrize("finished", ["success", "failure"])
def test_a_terminal_report_comes_late_and_is_kept(
    talk: Talk, offer: Offer, release: Callable[..., Release], finished: str
) -> None:
    services.offer(release("1.2"), by="ada")
    talk.feedback(offer, "closed", finished, "[no-space] The disk is full.")
    assert state_of(offer) == ("cancelled", True)
    line = talk.device.history.order_by("-pk")[0]
    assert line.code == "late-report"
    assert line.parameters["text"] == "[no-space] The disk is full."


def test_reporting_twice_changes_nothing(talk: Talk, offer: Offer) -> None:
    for _again in range(2):
        talk.feedback(offer, "closed", "success")
        talk.runs("1.1")
    assert state_of(offer) == ("confirmed", True)
    assert talk.codes().count("offer-confirmed") == 1


def test_a_newer_version_than_offered_closes_the_offer(talk: Talk, offer: Offer) -> None:
    talk.runs("2.0")
    assert state_of(offer) == ("cancelled", True)
    assert offer.reason_code == "overtaken"


@pytest.mark.parametrize("number", [None, 999_999, 2**62])
def test_a_report_about_an_unknown_offer_is_noted(
    talk: Talk, offer: Offer, number: int | None
) -> None:
    talk.feedback(number, "closed", "success")
    assert talk.codes()[-1] == "offer-unknown"
    assert state_of(offer) == ("offered", False)


def test_a_report_about_another_devices_offer_is_noted(offer: Offer, product: Product) -> None:
    services.register_device("other", product, "a", by="ada")
    stranger = Talk(Device.objects.get(controller_id="other"))
    stranger.feedback(offer, "closed", "failure", "[update-tampered] x")
    assert state_of(offer) == ("offered", False)
    assert stranger.codes()[-1] == "offer-unknown"


def test_an_unreadable_report_does_not_stop_those_behind_it(device: Device) -> None:
    bodies = ["{", "[]", "null", '"x"', "[" * 100_000, "1" * 5000, '{"status": 1}', "\x00"]
    for kind in ("feedback", "attributes", "owner-address", "cancel-feedback", "?"):
        for body in bodies:
            Event.objects.create(device=device, kind=kind, body=body, at_ms=1)
    Event.objects.create(
        device=device, kind="attributes", body='{"data": {"version": "1.0"}}', at_ms=2
    )
    Event.objects.create(device_id=987_654, kind="feedback", body="{}", at_ms=2)
    assert handle_events() == 5 * len(bodies) + 2
    device.refresh_from_db()
    assert device.reported_version == "1.0"
    assert not Event.objects.filter(handled_ms=None).exists()


def test_talking_without_end_does_not_fill_the_tables(talk: Talk, offer: Offer) -> None:
    talk.feedback(offer, "closed", "failure", "[no-space] full")
    for number in range(3):
        Event.objects.bulk_create(
            Event(
                device=talk.device,
                offer=offer,
                kind="feedback",
                body=json.dumps({"execution": "proceeding", "details": [f"{number} {n}"]}),
                at_ms=n,
            )
            for n in range(400)
        )
        while events.handle_events():
            pass
    assert talk.device.history.count() < events.LINES_MOST + 10
    assert "offer-failed" in talk.codes()


def test_a_device_that_contradicts_itself_does_not_fill_the_tables(
    talk: Talk, offer: Offer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "LINES_MOST", 20)
    versions = [{"data": {"holdfast.version": version}} for version in ("1.0", "1.1")]
    later = [{"execution": "scheduled", "details": [f"2026-01-{day}T02:00Z"]} for day in (10, 11)]
    gone = {"execution": "canceled", "details": []}
    said = [("attributes", versions[0]), ("feedback", later[0]), ("attributes", versions[1]),
            ("feedback", later[1]), ("cancel-feedback", gone)]  # fmt: skip
    at_ms = now_ms()
    Event.objects.bulk_create(
        Event(device=talk.device, offer=offer, kind=kind, body=json.dumps(body), at_ms=at_ms)
        for _round in range(60)
        for kind, body in said
    )
    while events.handle_events():
        pass
    assert talk.device.history.count() < 2 * 20 + 10
    assert {"offer-made", "device-registered"} <= set(talk.codes())


def test_a_device_that_was_retired_is_not_heard(talk: Talk, offer: Offer) -> None:
    services.retire(talk.device, by="ada")
    before = talk.codes()
    talk.says("owner-address", {"action": "subscribe", "address": "ada@example.org"})
    talk.runs("1.1")
    talk.feedback(offer, "closed", "success")
    assert talk.codes() == before
    assert state_of(offer)[0] == "cancelled"


def test_what_is_shown_holds_no_control_characters() -> None:
    assert clean("a\x00b\x1b[31m\u202ec\r\nd\ud800", 99) == "ab[31mc d"
    assert clean("x" * 1000, 10) == "x" * 9 + "…"
    assert clean(10**5000) == ""
    assert clean([1]) == ""


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)
words = st.sampled_from(
    ["closed", "proceeding", "scheduled", "success", "failure", "none", "canceled", "rejected"]
)
shaped = st.fixed_dictionaries(
    {},
    optional={
        "execution": words | json_values,
        "finished": words | json_values,
        "details": st.lists(st.text() | json_values) | json_values,
        "status": st.fixed_dictionaries(
            {"execution": words | json_values}, optional={"result": json_values}
        ),
        "mode": st.sampled_from(["merge", "replace", "remove"]) | json_values,
        "data": st.dictionaries(
            st.sampled_from(["version", "holdfast.version", "holdfast.boot"]) | st.text(),
            st.sampled_from(["1.0", "1.1", "9.9"]) | json_values,
        )
        | json_values,
        "action": st.sampled_from(["subscribe", "unsubscribe"]) | json_values,
        "address": st.sampled_from(["ada@example.org", "a\n@b"]) | json_values,
    },
)
kinds = st.sampled_from(
    ["feedback", "attributes", "retrieved", "artifact", "owner-address", "cancel-feedback"]
)


@pytest.mark.slow
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    said=st.lists(
        st.tuples(kinds | st.text(max_size=9), shaped.map(json.dumps) | st.text(), st.booleans()),
        max_size=12,
    )
)
def test_no_content_stops_the_handling(
    talk: Talk, offer: Offer, said: list[tuple[str, str, bool]]
) -> None:
    def stored(text: str) -> str:
        return text.encode(errors="replace").decode()

    for number, (kind, body, known) in enumerate(said):
        Event.objects.create(
            device=talk.device,
            offer_id=offer.pk if known else number,
            kind=stored(kind),
            body=stored(body),
            at_ms=number,
        )
    assert handle_events() == len(said)
    talk.device.refresh_from_db()
    offer.refresh_from_db()
    assert (offer.closed_ms is not None) == (offer.state in {"confirmed", "failed", "refused",
                                                             "cancelled"})  # fmt: skip
    assert queries.why(talk.device).text
    for line in queries.history(talk.device)[0]:
        assert line.text.isprintable()
