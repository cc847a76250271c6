"""The journal of leases and exemptions: what a worker knows when the control process is dead."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path

import pytest

from resolver.errors import SubjectsError
from resolver.policy.moments import End, Moment
from resolver.policy.subjects import Exemption, Lease, dropped
from resolver.snapshot import subjects_file
from resolver.snapshot.journal_places import newest, note_clock_step
from resolver.snapshot.subjects_file import Journal, JournalReader, subjects_at

NOW = Moment(1_000_000.0, 500.0)


def lease(number: int, seconds: float = 60) -> Lease:
    return Lease(f"10.0.0.{number}", "ana", None, End.at(NOW.wall + seconds, NOW))


def exempt(seconds: float = 60) -> Exemption:
    return Exemption("ex-1", "client", ("10.0.0.1",), ("ai",), NOW.wall, End.at(NOW.wall + seconds, NOW))


def test_what_is_added_is_read_on_from_where_the_reader_was(tmp_path: Path) -> None:
    journal = Journal.begin(tmp_path, [lease(1)])
    subjects, reader = subjects_at(journal.path, journal.position.octets, NOW)
    assert list(subjects) == [lease(1)]
    journal.append([lease(2).to_plain(), dropped(lease(1))])
    for record in reader.read(journal.position.octets, NOW):
        subjects.apply(record)
    assert list(subjects) == [lease(2)]
    assert reader.read(journal.position.octets, NOW) == []
    journal.close()


def test_ai_in_a_journal_of_the_version_before_is_vendors(tmp_path: Path) -> None:
    # Its control process may still be writing, when a worker of this version reads it.
    journal = Journal.begin(tmp_path, [exempt(), lease(1)])
    journal.close()
    content = journal.path.read_bytes()
    assert b'"format":2' in content
    journal.path.write_bytes(content.replace(b'"format":2', b'"format":1'))
    subjects, reader = subjects_at(journal.path, None, NOW)
    assert (subjects.exemptions["ex-1"].scope, list(subjects.leases)) == (("vendors",), ["10.0.0.1"])
    more = dataclasses.replace(exempt(), id="ex-2", scope=("house", "ai"))
    with journal.path.open("ab") as file:
        file.write(b"".join(json.dumps(record).encode() + b"\n" for record in (more.to_plain(), dropped(exempt()))))
    for record in reader.read(None, NOW):
        subjects.apply(record)
    assert [exemption.scope for exemption in subjects.exemptions.values()] == [("house", "vendors")]


def test_who_has_which_address_is_for_us_alone_to_read(tmp_path: Path) -> None:
    (tmp_path / "subjects").mkdir()
    (tmp_path / "subjects" / "journal-000001.part").write_bytes(b"left behind, and for all to read")
    journal = Journal.begin(tmp_path, [lease(1)])
    assert journal.path.stat().st_mode & 0o777 == 0o600
    journal.close()


def test_a_line_that_its_writer_died_in_is_left_out(tmp_path: Path) -> None:
    journal = Journal.begin(tmp_path, [lease(1)])
    journal.close()
    with journal.path.open("ab") as file:
        file.write(json.dumps(lease(2).to_plain()).encode()[:-5])
    assert list(subjects_at(journal.path, None, NOW)[0]) == [lease(1)]


def test_the_newest_journal_counts_and_only_two_are_kept(tmp_path: Path) -> None:
    assert newest(tmp_path) is None
    for number in range(4):
        Journal.begin(tmp_path, [lease(number)]).close()
    path = newest(tmp_path)
    assert path is not None
    assert list(subjects_at(path, None, NOW)[0]) == [lease(3)]
    assert len(list(path.parent.iterdir())) == 2


@pytest.mark.parametrize(
    "content", [b"", b"[]\n", b'{"format":9,"boot_id":""}\n', b"\xff\n", b'{"format":1}\n', b'{"format":2}\n']
)
def test_a_damaged_journal_is_told_as_such(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal-000001.jsonl"
    path.write_bytes(content)
    with pytest.raises(SubjectsError):
        subjects_at(path, None, NOW)
    for number, record in itertools.product((1, 2), ([["lease"]], [["exemption", 1, 2]], [["what", "a", "b"]])):
        lines = [{"format": number, "boot_id": "x"}, *record]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="ascii")
        with pytest.raises(SubjectsError):
            subjects_at(path, None, NOW)


def test_a_clock_that_was_set_back_before_a_restart_prolongs_nothing(tmp_path: Path) -> None:
    journal = Journal.begin(tmp_path, [exempt(60)])
    journal.close()
    set_back = Moment(NOW.wall - 3600, NOW.boot + 59)
    subjects, _ = subjects_at(journal.path, None, set_back)
    assert [one.ends.seconds_left(set_back) for one in subjects] == [1.0]


def test_after_a_start_of_the_machine_ends_go_by_the_wall_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.begin(tmp_path, [exempt(60)])
    journal.close()
    monkeypatch.setattr(subjects_file, "boot_id", lambda: "another")
    rebooted = Moment(NOW.wall + 20, 3.0)
    subjects, _ = subjects_at(journal.path, None, rebooted)
    assert [one.ends.seconds_left(rebooted) for one in subjects] == [40.0]


def test_what_a_clock_set_forward_ended_stays_so_when_it_is_set_right_again(tmp_path: Path) -> None:
    journal = Journal.begin(tmp_path, [exempt(60), lease(1, 3 * 86_400)])
    note_clock_step(tmp_path, Moment(NOW.wall + 86_400, NOW.boot + 5))
    after = Moment(NOW.wall + 10, NOW.boot + 10)
    later = Exemption("ex-2", "client", ("10.0.0.2",), ("ai",), NOW.wall, End.at(NOW.wall + 60, after))
    journal.append([later.to_plain()])  # granted when the clock was right again
    journal.close()
    reader = JournalReader(journal.path)
    reader.read(None, after)
    assert reader.dropped == {("exemption", "ex-1")}
    assert [one.key for one in subjects_at(journal.path, None, after)[0]] == ["10.0.0.1", "ex-2"]
