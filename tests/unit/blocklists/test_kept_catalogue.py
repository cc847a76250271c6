"""The copy of the catalogue in the state directory: used as it was written, or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from blocklists.data_files import catalogue_fingerprint
from blocklists.versions import FOLDER, accept, choose, in_force, load_kept
from resolver.errors import CatalogueError


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A copy that a version before has left, of a vendor less."""
    accept(tmp_path)
    copy = tmp_path / FOLDER / catalogue_fingerprint()
    (copy / "vendors" / "suno.yaml").unlink()
    return copy.rename(copy.with_name(catalogue_fingerprint(copy)))


@pytest.mark.slow
def test_a_copy_is_kept_in_force_as_it_was_written(tmp_path: Path, older: Path) -> None:
    choice = choose(tmp_path, review=True)
    assert choice.folder == older
    assert "suno" not in load_kept(choice.folder).vendors


@pytest.mark.slow
@pytest.mark.parametrize("change", ["a name less", "a file less", "a file more", "a link"])
def test_a_copy_that_was_changed_is_refused_under_review(tmp_path: Path, older: Path, change: str) -> None:
    file = older / "vendors" / "openai.yaml"
    if change == "a name less":
        file.write_text(file.read_text().replace("chatgpt.com", "chatgpt.example"))
    elif change == "a file less":
        file.unlink()
    elif change == "a file more":
        shutil.copy(file, file.with_name("other.yaml"))
    else:
        file.rename(tmp_path / "elsewhere")
        file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CatalogueError):
        choose(tmp_path, review=True)
    with pytest.raises(CatalogueError):
        load_kept(in_force(tmp_path, review=True))
    assert choose(tmp_path, review=False).folder is None


@pytest.mark.slow
def test_a_changed_copy_of_the_bundled_one_is_written_anew(tmp_path: Path) -> None:
    accept(tmp_path)
    copy = tmp_path / FOLDER / catalogue_fingerprint()
    (copy / "vendors" / "openai.yaml").write_text("vendor: openai\n")
    assert choose(tmp_path, review=True).folder is None
    assert catalogue_fingerprint(copy) == copy.name


def test_a_folder_that_is_a_link_is_neither_read_nor_emptied(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "kept").mkdir(parents=True)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / FOLDER).symlink_to(elsewhere)
    with pytest.raises(CatalogueError, match="symbolic link"):
        choose(tmp_path / "state", review=True)
    assert choose(tmp_path / "state", review=False).folder is None
    assert [path.name for path in elsewhere.iterdir()] == ["kept"]


@pytest.fixture
def from_before_resellers(tmp_path: Path) -> Path:
    """A copy of a version whose routes to others' models were all of one kind, and in no set but `gateways`."""
    accept(tmp_path)
    copy = tmp_path / FOLDER / catalogue_fingerprint()
    (copy / "gateways").mkdir()
    for part in ("resellers", "clouds"):
        for file in (copy / part).iterdir():
            file.rename(copy / "gateways" / file.name)
        (copy / part).rmdir()
    return copy.rename(copy.with_name(catalogue_fingerprint(copy)))


@pytest.mark.slow
def test_under_review_an_old_copy_means_by_ai_what_it_meant(tmp_path: Path, from_before_resellers: Path) -> None:
    choice = choose(tmp_path, review=True)
    assert choice.folder == from_before_resellers
    kept = load_kept(choice.folder)
    assert "openrouter/openrouter" not in kept.services_of("ai")
    assert {"openrouter/openrouter", "amazon-bedrock/bedrock"} <= {*kept.services_of("gateways")}
    assert kept.services_of("ai") == kept.services_of("vendors")


@pytest.mark.slow
def test_services_that_come_into_a_set_are_news_though_no_name_is_new(
    tmp_path: Path, from_before_resellers: Path
) -> None:
    news = choose(tmp_path, review=False).news
    assert news is not None
    assert (news.added, news.removed) == ((), ())
    resellers = load_kept(None).services_of("resellers")
    assert news.moved == tuple(f"{service} (now in ai)" for service in sorted(resellers))
    assert str(news).startswith(f"{len(resellers)} services moved: ")
