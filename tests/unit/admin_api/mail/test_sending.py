"""Mails to a real SMTP server: encrypted, to a verified name, once, and no more in an hour than there may be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiosmtplib
import pytest

from admin_api.mail.receiver import MailReceiver
from admin_api.outbox import delivery, watching
from admin_api.outbox.delivery import Deliveries
from admin_api.outbox.receivers import Delivery, Outbox
from admin_api.outbox.watching import Watcher
from admin_api.store.columns import canonical
from admin_api.store.errors import StoreAway
from admin_api.store.store import Store
from admin_api.store.webhooks import MessageRow
from resolver.config.settings import MailSettings
from tests.support.mail_server import LOGIN, MailServer
from tests.support.outbox import until_waiting
from tests.unit.doubles import Said, SteadyAccess

DEGRADED = ("node.degraded", {"why": ["upstream udp://192.0.2.1:53 does not answer: silent"]})


def settings(server: MailServer, **more: Any) -> MailSettings:
    facts = {"sender": "moatdns@corp.example", "to": ("dns@corp.example",), "domains": ("corp.example",)}
    return MailSettings("localhost", server.port, **{**facts, "ca_file": str(server.ca_file), **more})


def row(number: int, what: str = DEGRADED[0], data: Any = DEGRADED[1]) -> MessageRow:
    at = datetime(2026, 11, 27, 8, 30, tzinfo=UTC)
    body = canonical({"type": what, "timestamp": at.isoformat(), "data": data})
    return MessageRow(number, "mail", f"msg_{number}", body, 0, at)


async def delivered(mail: MailReceiver, *rows: MessageRow) -> dict[int, Delivery]:
    return {row.id: outcome async for row, outcome in mail.deliver(rows)}


@pytest.mark.slow
@pytest.mark.parametrize("tls", ["starttls", "smtps"])
async def test_a_mail_arrives_encrypted_and_says_what_is_the_matter(tmp_path: Path, tls: str) -> None:
    with MailServer(tmp_path, tls=tls) as server:
        mail = MailReceiver(settings(server, is_tls=tls == "smtps", url="https://dns.corp.example"))
        assert await delivered(mail, row(1)) == {1: Delivery()}
    (envelope,), (came,) = server.took, server.mails
    assert (envelope.mail_from, envelope.rcpt_tos) == ("moatdns@corp.example", ["dns@corp.example"])
    assert (came["From"], came["To"]) == ("moatdns <moatdns@corp.example>", "dns@corp.example")
    assert (came["Message-ID"], came["Auto-Submitted"]) == ("<msg_1@corp.example>", "auto-generated")
    assert came["Date"].datetime == datetime(2026, 11, 27, 8, 30, tzinfo=UTC)
    assert came["Subject"].startswith("moatdns: ")
    assert "is degraded" in came["Subject"]
    body = came.get_content()
    assert "- upstream udp://192.0.2.1:53 does not answer: silent" in body
    assert "https://dns.corp.example/status" in body


async def test_a_certificate_for_another_name_is_refused_and_nothing_is_sent(tmp_path: Path) -> None:
    with MailServer(tmp_path, name="other.example") as server:
        outcomes = await delivered(MailReceiver(settings(server)), row(1), row(2))
    assert [outcome.why for outcome in outcomes.values()] == [
        "the server's certificate is not valid: Hostname mismatch, certificate is not valid for 'localhost'."
    ] * 2
    assert server.took == []


async def test_a_certificate_of_somebody_elses_is_refused(tmp_path: Path) -> None:
    with MailServer(tmp_path) as server:
        (outcome,) = (await delivered(MailReceiver(settings(server, ca_file=None)), row(1))).values()
    assert outcome.why is not None
    assert outcome.why.startswith("the server's certificate is not valid: ")
    assert server.took == []


async def test_nothing_is_sent_in_the_clear_where_starttls_is_not_offered(tmp_path: Path) -> None:
    with MailServer(tmp_path, tls="none") as server:
        (outcome,) = (await delivered(MailReceiver(settings(server)), row(1))).values()
        assert (outcome.why, server.took) == ("the server offers no STARTTLS, or no way to log in", [])
        assert await delivered(MailReceiver(settings(server, starttls=False)), row(2)) == {2: Delivery()}
    assert len(server.took) == 1


async def test_a_login_is_used_and_a_wrong_one_told_without_the_password(tmp_path: Path) -> None:
    user, password = LOGIN
    secret = tmp_path / "secret"
    secret.write_text(password + "\n")
    with MailServer(tmp_path, needs_login=True) as server:
        right = MailReceiver(settings(server, user=user, password=f"file:{secret}"))
        assert await delivered(right, row(1)) == {1: Delivery()}
        wrong = MailReceiver(settings(server, user=user, password="not that one"))
        (outcome,) = (await delivered(wrong, row(2))).values()
        gone = MailReceiver(settings(server, user=user, password=f"file:{tmp_path / 'none'}"))
        (lacking,) = (await delivered(gone, row(3))).values()
    assert outcome == Delivery("the server refuses the login (535)")
    assert lacking.why is not None
    assert lacking.why.startswith("mail.password: ")
    assert len(server.took) == 1


async def test_what_is_refused_for_good_is_given_up_and_what_is_refused_for_now_is_not(tmp_path: Path) -> None:
    with MailServer(tmp_path) as server:
        server.replies = ["451 try again", "550 no such thing"]
        outcomes = await delivered(MailReceiver(settings(server)), row(1), row(2), row(3))
    assert outcomes == {
        1: Delivery("the server answered 451 try again"),
        2: Delivery("the server answered 550 no such thing", for_good=True),
        3: Delivery(),
    }


async def test_a_server_that_is_away_fails_all_and_counts_nothing(tmp_path: Path) -> None:
    server = MailServer(tmp_path)
    mail = MailReceiver(settings(server))
    outcomes = await delivered(mail, row(1), row(2))
    assert set(outcomes.values()) == {Delivery("the server cannot be reached")}
    assert mail.budget.free == 30


async def test_beyond_so_many_an_hour_the_rest_waits_and_comes_as_one_digest(tmp_path: Path) -> None:
    now = [0.0]
    with MailServer(tmp_path) as server:
        mail = MailReceiver(settings(server, most_per_hour=3), lambda: now[0])
        assert list(await delivered(mail, row(1), row(2))) == [1, 2]
        assert mail.pause_seconds(is_urgent=True) == 0
        flood = [row(number) for number in range(3, 103)]
        assert list(await delivered(mail, *flood)) == [one.id for one in flood]  # the last one of this hour
        assert await delivered(mail, row(200), row(201)) == {}
        assert mail.pause_seconds(is_urgent=True) == 30
        now[0] = 3599.0
        assert await delivered(mail, row(200), row(201)) == {}
        now[0] = 3600.0
        assert list(await delivered(mail, row(200), row(201))) == [200, 201]
    assert [one["Subject"] == "moatdns: 100 messages" for one in server.mails] == [False, False, True, False, False]
    assert mail.digests == 1
    digest = server.mails[2].get_content()
    assert digest.count("2026-11-27 08:30 UTC") == 50
    assert "and 50 more." in digest


ALL = ("dns@corp.example", "gone@corp.example", "late@corp.example")


async def test_a_recipient_who_is_refused_is_told_of_and_the_others_have_it_once(tmp_path: Path) -> None:
    with MailServer(tmp_path) as server:
        mail = MailReceiver(settings(server, to=ALL))
        server.refuses = {"gone@corp.example": "550 no such user", "late@corp.example": "451 try again"}
        first = await delivered(mail, row(1))
        assert first == {
            1: Delivery(
                "gone@corp.example: the server answered 550 no such user; "
                "late@corp.example: the server answered 451 try again"
            )
        }
        del server.refuses["late@corp.example"]
        again = await delivered(mail, row(1))
        assert again == {1: Delivery(partly="gone@corp.example: the server answered 550 no such user")}
        server.refuses = dict.fromkeys(ALL, "550 nobody")
        (refused,) = (await delivered(mail, row(2))).values()
    assert [one.rcpt_tos for one in server.took] == [["dns@corp.example"], ["late@corp.example"]]
    assert (refused.for_good, refused.partly) == (True, None)
    assert mail.budget.free == 28


async def test_the_last_of_several_who_is_refused_for_good_makes_no_failure_of_it(tmp_path: Path) -> None:
    with MailServer(tmp_path) as server:
        mail = MailReceiver(settings(server, to=ALL[:2]))
        server.refuses = {"gone@corp.example": "451 try again"}
        (first,) = (await delivered(mail, row(1))).values()
        server.refuses = {"gone@corp.example": "550 no such user"}
        (again,) = (await delivered(mail, row(1))).values()
    assert (first.why is None, first.for_good) == (False, False)
    assert again == Delivery(partly="gone@corp.example: the server answered 550 no such user")
    assert len(server.took) == 1


async def test_a_fault_of_ours_is_not_told_as_the_server_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object, **__: object) -> None:
        raise KeyError("a password, perhaps")

    with MailServer(tmp_path) as server:
        mail = MailReceiver(settings(server))
        for method in ("connect", "send_message"):
            with monkeypatch.context() as broken:
                broken.setattr(aiosmtplib.SMTP, method, fails)
                (outcome,) = (await delivered(mail, row(1))).values()
            assert outcome == Delivery("an unexpected error: KeyError")
        assert await delivered(mail, row(1)) == {1: Delivery()}


async def test_decisions_go_to_who_asked_and_nowhere_else(tmp_path: Path) -> None:
    data = {"id": "ex-1", "scope": ["vendors"], "action": "approve", "asked_by": "ana@corp.example", "owner": "Ana"}
    elsewhere = {**data, "asked_by": "eve@elsewhere.example", "owner": "eve@corp.example.elsewhere.example"}
    nobody = {**data, "asked_by": "Ana", "owner": "ana@corp.example\r\nBcc: eve@elsewhere.example"}
    with MailServer(tmp_path) as server:
        mail = MailReceiver(settings(server))
        rows = [row(n, "exemption.decided", one) for n, one in enumerate((data, elsewhere, nobody), 1)]
        outcomes = await delivered(mail, *rows)
    assert [outcomes[number].is_skipped for number in (1, 2, 3)] == [False, True, True]
    assert [one.rcpt_tos for one in server.took] == [["ana@corp.example"]]
    assert mail.own_counts()["mail", "unaddressed"] == 2


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    one = await Store.open(None, tmp_path, Said())
    yield one
    await one.close()


async def test_a_flood_of_requests_delays_no_mail_about_the_node(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_LOOK_SECONDS", 0.02)
    asked = {"id": "ex-1", "scope": ["vendors"], "owner": "Ana", "requested_by": "block-page"}
    with MailServer(tmp_path / "mail") as server:
        mail = MailReceiver(settings(server, most_per_hour=5))
        outbox = Outbox([mail])
        deliveries = Deliveries(SteadyAccess(store), outbox, Said())
        running = asyncio.ensure_future(deliveries.run())
        while mail.budget.free_for(is_urgent=False):  # a request after the other, each mailed, as long as there is room
            before = len(server.mails)
            async with store.change("test") as change:
                await outbox.put(change.connection, "exemption.pending", asked)
            await _until(lambda before=before: len(server.mails) > before)
        async with store.change("test") as change:
            for _ in range(3):
                await outbox.put(change.connection, "exemption.pending", asked)
            await outbox.put(change.connection, *DEGRADED)
        await until_waiting(store, {"mail": (3, 0)})
        running.cancel()
        await asyncio.wait([running])
    assert len(server.mails) == 5
    assert "is degraded" in server.mails[-1]["Subject"]


@pytest.mark.slow
async def test_what_waits_in_the_outbox_is_mailed_once_though_the_store_takes_nothing_meanwhile(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_LOOK_SECONDS", 0.02)
    access = SteadyAccess(store)
    with MailServer(tmp_path / "mail") as server:
        mail = MailReceiver(settings(server))
        outbox = Outbox([mail])
        deliveries = Deliveries(access, outbox, Said())
        async with store.change("test") as change:
            await outbox.put(change.connection, *DEGRADED)
            await outbox.put(change.connection, "list.refused", {})  # which is not mailed
        counting = store.count
        monkeypatch.setattr(store, "count", _away)
        running = asyncio.ensure_future(deliveries.run())
        await _until(lambda: deliveries.states["mail"].last_error == "the disk is full")
        await asyncio.sleep(0.2)
        assert len(server.took) == 1
        monkeypatch.setattr(store, "count", counting)

        await until_waiting(store, {})
        running.cancel()
        await asyncio.wait([running])
    assert len(server.took) == 1
    assert deliveries.own_counts()["mail", "delivered"] == 1
    assert (deliveries.states["mail"].last_error, deliveries.states["mail"].failing) == (None, False)


def _away() -> Any:
    raise StoreAway("the disk is full")


async def _until(met: Any) -> None:
    for _ in range(200):
        if met():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came to pass")


async def test_that_the_store_is_away_is_mailed_all_the_same(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_LOOK_SECONDS", 0.02)
    monkeypatch.setattr(watching, "_STEADY_SECONDS", 0.0)
    monkeypatch.setattr(store, "count", _away)
    monkeypatch.setattr(store, "read", _away)
    access = SteadyAccess(store)
    with MailServer(tmp_path / "mail") as server:
        outbox = Outbox([MailReceiver(settings(server))])
        deliveries = Deliveries(access, outbox, Said())
        watcher = Watcher(access, outbox, lambda: ["the disk is full"])
        both = [asyncio.ensure_future(each.run()) for each in (deliveries, watcher)]
        await _until(lambda: server.took)
        for each in both:
            each.cancel()
        await asyncio.wait(both)
    assert "- the disk is full" in server.mails[0].get_content()
    assert outbox.kept == {"mail": []}
