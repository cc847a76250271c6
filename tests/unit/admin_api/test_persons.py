"""Names of persons, as they are compared."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_api.persons import FIRST_OWNER, is_same_person, keys_of, name_of, normal_form, person_text

ANA = "Ana Ruiz"


@pytest.mark.parametrize(
    "spelling",
    [
        " ana  RUIZ",
        "ANA\tRUIZ\n",
        "Ａｎａ Ｒｕｉｚ",
        "Ana\u00a0Ruiz",
        "Ana\u2009 \u3000Ruiz",
        "\ufeffA\u00adna R\u200bu\u200diz\u2060",
        "A\u034fna Ru\ufe0fiz",
        "\u202eAna\u202c Ruiz",
        "Ana Ruiz\x00",
    ],
)
def test_spellings_that_look_alike_are_one_person(spelling: str) -> None:
    assert is_same_person(ANA, spelling)


@pytest.mark.parametrize("other", ["Ana Ruis", "AnaRuiz", "Ben", "Ana R", "Ana Ruiz 2"])
def test_other_names_are_other_persons(other: str) -> None:
    assert not is_same_person(ANA, other)


@pytest.mark.parametrize("pair", [("STRASSE", "straße"), ("ﬁona", "Fiona"), ("André", "Andre\u0301"), ("Σ", "ς")])
def test_letters_with_several_codes_are_the_same(pair: tuple[str, str]) -> None:
    assert is_same_person(*pair)


@pytest.mark.parametrize("nobody", ["", " ", "\u200b", "\u3164", "\u2800\u00ad"])
def test_a_name_that_shows_nothing_is_nobody_and_approves_nothing(nobody: str) -> None:
    assert is_same_person(ANA, nobody)
    assert is_same_person(nobody, ANA)


@given(st.text())
def test_the_normal_form_is_its_own(name: str) -> None:
    once = normal_form(name)
    assert normal_form(once) == once
    assert is_same_person(name, unicodedata.normalize("NFD", f"  {name}\u00a0"))
    assert is_same_person(name, once)


ISSUER = "https://login.corp.example"


def test_a_subject_is_compared_exactly_and_a_name_by_its_form() -> None:
    ana = person_text(ANA, ISSUER, "abc")
    assert is_same_person(ana, person_text("Renamed", ISSUER, "abc"))
    assert not is_same_person(ana, person_text("Ben", ISSUER, "ABC"))
    assert not is_same_person(ana, person_text("Ben", "https://other.example", "abc"))
    assert is_same_person(ana, "ana  RUIZ")
    assert is_same_person(person_text("Ana Ruiz", ISSUER, "another"), ana)


@pytest.mark.parametrize(
    "owner", ["ada@corp.example", "ADA@Corp.Example", "alovelace", "Countess of L.", "ada l.", "a;b<c>% d"]
)
def test_every_name_that_a_provider_knows_is_of_that_person(owner: str) -> None:
    others = ("ada@corp.example", "alovelace", "Countess of L.", "A;B<C>%  D")
    ada = person_text("Ada L.", ISSUER, "1", others)
    assert is_same_person(ada, owner)
    assert is_same_person(ada, person_text("Another", ISSUER, "2", [owner]))
    assert not is_same_person(ada, "ben@corp.example")
    assert name_of(ada) == "Ada L."


def test_a_subject_without_a_name_is_told_apart_from_no_free_text() -> None:
    nameless = person_text("24-8", ISSUER, "24-8")
    assert is_same_person(nameless, "Ben")
    assert is_same_person("Ben", nameless)
    assert not is_same_person(nameless, person_text("Ben", ISSUER, "2"))
    assert not is_same_person(person_text("ada", ISSUER, "ada", ["ada"]), "Ben")


def test_the_first_owner_may_be_anybody_who_signs_in_and_is_no_owner_of_another_token() -> None:
    assert is_same_person(FIRST_OWNER, person_text("Ana", ISSUER, "1"))
    assert is_same_person(person_text("Ana", ISSUER, "1"), f" {FIRST_OWNER.upper()}")
    assert not is_same_person(FIRST_OWNER, "Ana")


@given(
    name=st.text(),
    subject=st.text(st.characters(max_codepoint=127), min_size=1, max_size=255),
    others=st.lists(st.text(), max_size=4),
)
def test_whatever_a_provider_says_has_one_subject(name: str, subject: str, others: list[str]) -> None:
    person = person_text(name, ISSUER, subject, others)
    assert 2 <= len(keys_of(person)) <= 2 + len(others)
    assert all(is_same_person(person, other) for other in others if len(normal_form(other)) <= 254)
    assert is_same_person(person, person_text("Somebody", ISSUER, subject))
    assert not is_same_person(person_text("A", ISSUER, subject), person_text("B", ISSUER, f"{subject}x"))
    assert "<" not in name_of(person)
    assert person.isprintable()
