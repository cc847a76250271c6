"""Persons of claims: their names, their roles, and links instead of groups."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_api.persons import is_same_person
from admin_api.sign_in.person import ClaimLink, claim_at, link_of, person_of, values_in
from admin_api.sign_in.refusal import SignInRefused
from resolver.config.settings import OidcSettings

SETTINGS = OidcSettings(
    *("https://i.example", "moatdns", "https://dns.corp.example"),
    roles=(("admin", ("a",)), ("operator", ("o",)), ("investigator", ("i",)), ("viewer", ("v", "V"))),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("values", "roles"),
    [
        (["a"], ("admin",)),
        (["i", "v"], ("viewer", "investigator")),
        (["i"], ()),  # shows persons in what another role reads
        (["A"], ()),
        ([], ()),
    ],
)
def test_roles_are_those_whose_values_the_claim_has_exactly(values: list[str], roles: tuple[str, ...]) -> None:
    assert set(person_of({"sub": "1", "exp": 1}, values, SETTINGS).roles) == set(roles)


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"name": "Ada"}, "Ada"),
        ({"name": " \u200b", "preferred_username": "ada@corp.example"}, "ada@corp.example"),
        ({"name": 7, "email": "a@b.example"}, "a@b.example"),
        ({"name": "<>"}, "248"),
        ({}, "248"),
    ],
)
def test_a_name_that_shows_nothing_gives_way_to_the_next(claims: dict[str, Any], name: str) -> None:
    assert person_of({**claims, "sub": "248", "exp": 1}, [], SETTINGS).name == name


def test_a_person_is_known_by_all_names_of_the_claims() -> None:
    claims = {
        "sub": "1",
        "exp": 1,
        "name": "Ada L.",
        "preferred_username": "ada",
        "email": "a@b.example",
        "upn": "a@c.example",
    }
    owner = person_of(claims, [], SETTINGS).owner
    assert owner == "Ada L. <https://i.example 1; ada; a@b.example; a@c.example>"
    assert all(is_same_person(owner, name) for name in ("ada l.", "Ada", "A@B.example", "a@c.example"))


def test_who_has_no_name_that_can_be_shown_is_refused() -> None:
    with pytest.raises(SignInRefused, match="neither a name nor a subject"):
        person_of({"name": "<", "sub": "<>", "exp": 1}, [], SETTINGS)


def test_roles_may_stand_deeper_in_a_claim() -> None:
    assert values_in(claim_at({"realm_access": {"roles": ["a", 7]}}, "realm_access.roles")) == ("a",)
    assert values_in(claim_at({"a.b": "x"}, "a.b")) == ("x",)
    assert values_in(claim_at({"realm_access": "x"}, "realm_access.roles")) == ()


def test_a_link_stands_instead_of_too_many_groups() -> None:
    source = {"endpoint": "https://graph.windows.net/t/users/u/getMemberObjects"}
    claims = {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": source}}
    assert link_of(claims, "groups") == ClaimLink(source["endpoint"], None)
    assert link_of(claims, "roles") is None


@given(names=JSON, sources=JSON, path=st.text())
def test_claims_of_any_form_are_read(names: object, sources: object, path: str) -> None:
    claims = {"_claim_names": names, "_claim_sources": sources, "groups": names}
    link_of(claims, path)
    values_in(claim_at(claims, path))
    values_in(names)
