"""The hub's own audit of a release: nothing is offered before it, and little against it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from django.test import Client

from holdfast.audit.model.shapes import Model, StartUp
from holdfast.audit.report.shapes import Checked, Opened, Report, Subject, Unopened
from holdfast.audit.verdicts import Severity, Verdict
from holdfast.hub.fleet import services as fleet
from holdfast.hub.fleet.models import Device, Offer
from holdfast.hub.releases import jobs, judgements
from holdfast.hub.releases.errors import NotJudgedError, ObjectionsError
from holdfast.hub.releases.models import Judging, Release
from holdfast.hub.staff.models import Entry
from holdfast.updates.waiver import Waiver

Make = Callable[..., Release]
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def checked(verdict: Verdict) -> Checked:
    return Checked(
        rule="telnet-off", recommendation=1, title="Telnet is off as shipped",
        severity=Severity.HIGH, verdict=verdict, reason="nobody knows",
    )  # fmt: skip


def report(verdict: Verdict = Verdict.PASS, *, complete: bool = True) -> Report:
    pieces = () if complete else (
        Unopened(where="blob", offset=64, size_bytes=9, entropy=7.9, why="nothing knows it"),
    )  # fmt: skip
    return Report(
        made=NOW, holdfast="0.1.0", rules="x", subject=Subject(name="rootfs", kind="image"),
        outcome="pass", opened=Opened(complete=complete, unopened=pieces),
        model=Model(start_up=StartUp(init="none")), others={}, checks=(checked(verdict),),
        seconds={},
    )  # fmt: skip


@pytest.fixture
def waiting(release: Make) -> Release:
    found = release(judged=False)
    judgements.ask(found)
    return found


def test_nothing_is_offered_before_it_is_judged(waiting: Release, device: Device) -> None:
    del device
    with pytest.raises(NotJudgedError):
        fleet.offer(waiting, by="ada")
    judgements.begin(waiting.judgement)
    with pytest.raises(NotJudgedError):
        fleet.offer(waiting, by="ada")
    assert not Offer.objects.exists()


def test_what_passes_may_be_offered(waiting: Release, device: Device) -> None:
    del device
    judgements.finish(waiting.judgement, report())
    assert fleet.offer(waiting, by="ada").offered == 1


@pytest.mark.parametrize("said", [report(Verdict.FAIL), report(complete=False)])
def test_what_fails_or_could_not_be_opened_is_not_offered(waiting: Release, said: Report) -> None:
    judgements.finish(waiting.judgement, said)
    with pytest.raises(ObjectionsError, match="The audit says no"):
        fleet.offer(waiting, by="ada")


def test_undecided_checks_are_told_and_do_not_refuse(waiting: Release) -> None:
    judgements.finish(waiting.judgement, report(Verdict.UNDECIDED))
    waiting.judgement.refresh_from_db()
    assert waiting.judgement.open
    assert waiting.judgement.undecided == ["telnet-off: nobody knows"]


def test_a_wish_waits_for_the_audit(waiting: Release, device: Device) -> None:
    judgements.want_offered(waiting, by="token:build-server")
    assert jobs.offer_if_wished(waiting) == 0
    judgements.finish(waiting.judgement, report())
    assert jobs.offer_if_wished(waiting) == 1
    assert jobs.offer_if_wished(waiting) == 0
    assert Offer.objects.get().device_id == device.pk
    assert Entry.objects.get(what="release.offered").by == "token:build-server"


def test_a_wish_does_not_outweigh_a_refusal(waiting: Release, device: Device) -> None:
    del device
    judgements.want_offered(waiting, by="ada")
    judgements.finish(waiting.judgement, report(Verdict.FAIL))
    assert jobs.offer_if_wished(waiting) == 0


def test_a_named_person_waives_with_a_reason(staff_client: Client, waiting: Release) -> None:
    judgements.finish(waiting.judgement, report(Verdict.FAIL))
    address = f"/releases/{waiting.pk}/waive/"
    assert staff_client.post(address, {"waive-why": "ok"}).status_code == 422
    why = "The console is inside the sealed case; 1.3 removes it."
    assert staff_client.post(address, {"waive-why": why}).status_code == 302
    waiting.judgement.refresh_from_db()
    assert (waiting.judgement.open, waiting.judgement.waived_by) == (True, "ada")
    entry = Entry.objects.get(what="release.audit_waived")
    assert (entry.by, entry.why) == ("ada", why)
    page = staff_client.get(f"/releases/{waiting.pk}/").content.decode()
    assert why in page
    assert "telnet-off" in page
    assert staff_client.post(address, {"waive-why": why}).status_code == 400


def test_nobody_waives_what_nobody_knows_yet(staff_client: Client, waiting: Release) -> None:
    answer = staff_client.post(f"/releases/{waiting.pk}/waive/", {"waive-why": "Because I can."})
    assert answer.status_code == 409
    assert not Entry.objects.filter(what="release.audit_waived").exists()


def test_signers_waive_with_their_signature(waiting: Release) -> None:
    judgements.finish(waiting.judgement, report(Verdict.FAIL))
    signed = Waiver(who="Ada", why="Known, and mended in 1.3.", made=NOW, objections=("x",))
    judgements.honour(waiting.judgement, signed)
    waiting.judgement.refresh_from_db()
    assert waiting.judgement.waived_by == "Ada (signed with the release)"
    judgements.honour(waiting.judgement, replace(signed, who="Bob"))
    waiting.judgement.refresh_from_db()
    assert waiting.judgement.waived_by.startswith("Ada")


def test_progress_is_shown_and_the_page_comes_again(staff_client: Client, waiting: Release) -> None:
    judgements.begin(waiting.judgement)
    judgements.note_progress(waiting.judgement, "facts", 0.4)
    answer = staff_client.get(f"/releases/{waiting.pk}/")
    assert answer.headers["Refresh"] == "3"
    assert 'value="40"' in answer.content.decode()
    assert "Offer to all devices" not in answer.content.decode()
    judgements.finish(waiting.judgement, report())
    answer = staff_client.get(f"/releases/{waiting.pk}/")
    assert "Refresh" not in answer.headers
    assert "Offer to all devices" in answer.content.decode()


def test_the_report_is_kept_and_shown_under_its_own_policy(
    staff_client: Client, client: Client, waiting: Release
) -> None:
    assert staff_client.get(f"/releases/{waiting.pk}/audit/").status_code == 404
    judgements.finish(waiting.judgement, report())
    answer = staff_client.get(f"/releases/{waiting.pk}/audit/")
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'sha256-" in policy
    assert "frame-ancestors 'none'" in policy
    assert b"Telnet is off as shipped" in answer.content
    for name in ("audit.json", "sbom.json"):
        handed = staff_client.get(f"/releases/{waiting.pk}/{name}")
        assert handed.headers["Content-Disposition"] == f'attachment; filename="{name}"'
        assert client.get(f"/releases/{waiting.pk}/{name}").status_code == 302


def test_an_audit_that_cannot_be_run_keeps_the_release_back(waiting: Release) -> None:
    judgements.give_up(waiting.judgement, "[audit-child] it died")
    waiting.judgement.refresh_from_db()
    assert waiting.judgement.state == Judging.BROKEN
    with pytest.raises(ObjectionsError, match="it died"):
        judgements.must_be_open(waiting)


def test_it_can_be_audited_again(staff_client: Client, waiting: Release) -> None:
    judgements.give_up(waiting.judgement, "no disk")
    staff_client.post(f"/releases/{waiting.pk}/audit/again/")
    waiting.judgement.refresh_from_db()
    assert waiting.judgement.state == Judging.WAITING
    assert Entry.objects.get(what="release.audit_asked").by == "ada"


def test_releases_from_before_the_gate_are_judged_too(release: Make) -> None:
    old = release(judged=False)
    with pytest.raises(NotJudgedError):
        judgements.must_be_open(old)
    jobs.recover()
    assert Release.objects.get(pk=old.pk).judgement.state == Judging.WAITING
