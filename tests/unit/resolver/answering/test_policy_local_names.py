"""Local names that come with the policy: in force with it, gone with it, beside those of the config."""

from __future__ import annotations

import asyncio

import dns.rcode
import dns.reversename
import pytest

from resolver.answering.explaining import access_of, explain_query
from resolver.config.settings import WorkerSettings
from resolver.policy.snapshot import PolicySnapshot
from resolver.policy.subjects import Subjects
from resolver.snapshot.clocks import now
from resolver.snapshot.local_file import pack_local, read_local
from resolver.wire.local_records import LocalRecord
from resolver.wire.names import parse_name
from tests.unit.resolver.answering.test_pipeline import Served, addresses, policy

CONFIG = (LocalRecord("printer.office.example", addresses=("192.0.2.7",), origin="local"),)


def with_names(*records: LocalRecord) -> PolicySnapshot:
    """A policy that blocks acme.ai, with these local names."""
    snapshot = policy()
    snapshot.local = read_local(pack_local(records))
    return snapshot


@pytest.fixture
async def served() -> Served:
    return Served(policy(), asyncio.get_running_loop(), local=CONFIG)


async def test_names_are_in_force_with_their_policy_and_gone_with_it(served: Served) -> None:
    assert addresses(served.ask("inner.acme.ai")) == ["0.0.0.0"]
    served.pipeline.use(
        with_names(
            LocalRecord("inner.acme.ai", addresses=("10.0.0.9",)),
            LocalRecord("*.lab.office.example", addresses=("10.0.0.1",)),
            LocalRecord("by.office.example", alias="printer.office.example"),
        )
    )
    for name, address in (
        ("inner.acme.ai", "10.0.0.9"),
        ("inner.acme.ai", "10.0.0.9"),  # from the answer table
        ("x.lab.office.example", "10.0.0.1"),
        ("by.office.example", "192.0.2.7"),
        ("printer.office.example", "192.0.2.7"),
    ):
        assert addresses(served.ask(name)) == [address], name
    (reverse,) = served.ask(dns.reversename.from_address("10.0.0.9").to_text(), qtype="PTR")
    assert reverse.answer[0][0].to_text() == "inner.acme.ai."
    served.pipeline.use(policy())
    assert addresses(served.ask("inner.acme.ai")) == ["0.0.0.0"]
    assert addresses(served.ask("printer.office.example")) == ["192.0.2.7"]
    served.ask("by.office.example")
    assert served.upstream.names == ["by.office.example"]


async def test_the_config_is_stronger_than_the_policy(served: Served) -> None:
    served.pipeline.use(with_names(LocalRecord("printer.office.example", addresses=("10.9.9.9",))))
    assert addresses(served.ask("printer.office.example")) == ["192.0.2.7"]


async def test_a_changed_alias_is_in_force_at_once_although_its_answer_was_cached(served: Served) -> None:
    served.pipeline.use(with_names(LocalRecord("far.office.example", alias="www.far.example")))
    waiting = served.ask("far.office.example")
    served.upstream.answer("www.far.example. 200 IN A 192.0.2.1")
    assert addresses(waiting) == addresses(served.ask("far.office.example")) == ["192.0.2.1"]
    served.pipeline.use(with_names(LocalRecord("far.office.example", alias="www.other.example")))
    waiting = served.ask("far.office.example")
    assert served.upstream.names == ["www.other.example"]
    served.upstream.answer("www.other.example. 200 IN A 192.0.2.2")
    assert addresses(waiting) == ["192.0.2.2"]
    served.pipeline.use(policy())
    assert served.ask("far.office.example") == []
    assert served.upstream.names == ["far.office.example"]


async def test_what_is_below_a_wildcard_that_is_an_alias_is_forgotten_with_it(served: Served) -> None:
    served.pipeline.use(with_names(LocalRecord("*.far.example", alias="www.other.example")))
    waiting = served.ask("a.far.example")
    served.upstream.answer("www.other.example. 200 IN A 192.0.2.1")
    assert addresses(waiting) == ["192.0.2.1"]
    served.pipeline.use(policy())
    assert served.ask("a.far.example") == []
    assert served.upstream.names == ["a.far.example"]


async def test_other_names_stay_in_the_cache_when_local_ones_change(served: Served) -> None:
    waiting = served.ask("www.example")
    served.upstream.answer("www.example. 200 IN A 192.0.2.3")
    assert addresses(waiting) == ["192.0.2.3"]
    served.pipeline.use(with_names(LocalRecord("far.office.example", alias="www.far.example")))
    assert addresses(served.ask("www.example")) == ["192.0.2.3"]


async def test_a_change_forgets_the_aliases_that_lead_by_what_changed_and_no_others(served: Served) -> None:
    far, below = (
        LocalRecord("far.office.example", alias="www.far.example"),
        LocalRecord("*.b.example", alias="www.c.example"),
    )
    by = LocalRecord("by.office.example", alias="far.office.example")
    served.pipeline.use(with_names(far, by, below))
    for name, target in ((by.name, "www.far.example"), ("x.b.example", "www.c.example")):
        waiting = served.ask(name)
        served.upstream.answer(f"{target}. 200 IN A 192.0.2.1")
        assert addresses(waiting) == ["192.0.2.1"]
    served.pipeline.use(with_names(far, by, below, LocalRecord("new.office.example", alias="www.new.example")))
    served.pipeline.use(with_names(far, by, below, LocalRecord("nas.office.example", addresses=("10.0.0.3",))))
    for name in (by.name, "x.b.example"):
        assert addresses(served.ask(name)) == ["192.0.2.1"]
    assert not served.upstream.asked, "both are in the cache still"
    served.pipeline.use(with_names(LocalRecord(far.name, alias="www.other.example"), by, below))
    assert addresses(served.ask("x.b.example")) == ["192.0.2.1"]
    waiting = served.ask(by.name)
    assert served.upstream.names == ["www.other.example"]
    served.upstream.answer("www.other.example. 200 IN A 192.0.2.2")
    assert addresses(waiting) == ["192.0.2.2"]


async def test_names_of_config_and_policy_that_lead_to_each_other_fail() -> None:
    served = Served(policy(), asyncio.get_running_loop(), local=[LocalRecord("a.example", alias="b.example")])
    served.pipeline.use(with_names(LocalRecord("b.example", alias="a.example")))
    for name in ("a.example", "b.example"):
        (answer,) = served.ask(name)
        assert (answer.rcode(), served.upstream.asked) == (dns.rcode.SERVFAIL, [])
    waiting = served.ask("far.example")
    served.upstream.answer("far.example. 300 IN CNAME a.example.")
    assert [answer.rcode() for answer in waiting] == [dns.rcode.SERVFAIL]
    assert served.resolver.waiting == 0


def test_a_name_of_the_policy_is_explained_as_one() -> None:
    access = access_of(WorkerSettings(local=CONFIG))

    def step(snapshot: PolicySnapshot, name: str) -> str:
        explanation = explain_query(
            snapshot, access, parse_name(name), client="127.0.0.1", qtype="A", subjects=Subjects(), now=now()
        )
        return explanation.trace[0].detail

    named = with_names(LocalRecord("inner.acme.ai", addresses=("10.0.0.9",)))
    assert step(named, "inner.acme.ai") == "inner.acme.ai of the admin API, without policy or upstream"
    assert "config's key local" in step(named, "printer.office.example")
    assert "inner.acme.ai of the admin API" not in step(policy(), "inner.acme.ai")
