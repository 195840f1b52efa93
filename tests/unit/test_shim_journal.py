"""The journal's own rules, on ordinary files. What a full disk does to it is in tests/kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from podrun.shim import facts, journal

BOOT = "8d6e4a5c-0000-4000-8000-000000000001"


def started(attempt: int, container: str = "web") -> facts.Started:
    return facts.Started(container, attempt, "f" * 64, 1234, 1.5, groups=(4, 20))


def exited(attempt: int, container: str = "web") -> facts.Exited:
    return facts.Exited(container, attempt, "f" * 64, 0, 0, False, 2.5)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "journal")


def test_facts_are_read_back_with_their_numbers(path: str) -> None:
    book = journal.Journal(path, BOOT)
    told = book.append(started(1), exited(1))
    book.close()
    assert [numbered.n for numbered in told] == [1, 2]
    assert journal.read(path, BOOT) == tuple(told)


def test_an_absent_journal_has_no_facts(path: str) -> None:
    assert journal.read(path, BOOT) == ()


def test_numbers_go_on_when_another_shim_opens_the_journal(path: str) -> None:
    book = journal.Journal(path, BOOT)
    book.append(started(1))
    book.close()
    book = journal.Journal(path, BOOT)
    assert [numbered.n for numbered in book.append(exited(1))] == [2]
    assert [numbered.fact for numbered in book.after(0)] == [started(1), exited(1)]
    book.close()


@pytest.mark.parametrize("torn", [b"{", b'{"request":0,"kind":"Numbered","n":2', b'{"begun":["web"'])
def test_a_torn_last_line_does_not_count_and_is_taken_away(path: str, torn: bytes) -> None:
    book = journal.Journal(path, BOOT)
    book.append(started(1))
    book.close()
    whole = Path(path).read_bytes()
    Path(path).write_bytes(whole + torn)
    assert len(journal.read(path, BOOT)) == 1
    book = journal.Journal(path, BOOT)
    assert Path(path).read_bytes() == whole
    assert [numbered.n for numbered in book.append(exited(1))] == [2]
    book.close()
    assert len(journal.read(path, BOOT)) == 2


def test_a_journal_cut_anywhere_gives_the_facts_before_the_cut(path: str) -> None:
    book = journal.Journal(path, BOOT)
    book.begin(journal.Begun("web", 1, "f" * 64, "/g"))
    told = book.append(started(1), exited(1))
    book.close()
    whole = Path(path).read_bytes()
    for length in range(len(whole) + 1):
        Path(path).write_bytes(whole[:length])
        survived = journal.read(path, BOOT)
        assert survived == tuple(told[: len(survived)])
        journal.Journal(path, BOOT).close()
    assert len(survived) == 2


def test_a_journal_of_another_boot_means_nothing_and_is_put_aside(path: str) -> None:
    book = journal.Journal(path, BOOT)
    book.append(started(1))
    book.close()
    later = BOOT.replace("1", "2")
    assert journal.read(path, later) == ()
    book = journal.Journal(path, later)
    assert book.last == 0
    assert not book.unfinished()
    book.close()
    assert Path(path + ".old").exists()
    assert journal.read(path, BOOT) == ()


def test_a_journal_of_an_unknown_version_is_an_error(path: str) -> None:
    Path(path).write_text(f'{{"boot_id": "{BOOT}", "version": 99}}\n')
    with pytest.raises(journal.JournalError, match="version 99"):
        journal.read(path, BOOT)


@pytest.mark.parametrize("text", ["hello\n", "\0" * 4096 + "\n", "[]\n", "{}\n"])
def test_what_a_power_cut_made_of_a_journal_is_put_aside(path: str, text: str) -> None:
    Path(path).write_text(text)
    assert journal.read(path, BOOT) == ()
    journal.Journal(path, BOOT).close()
    assert Path(path + ".old").read_text() == text


def test_a_new_journal_counts_on_from_what_the_kubelet_knows(path: str) -> None:
    for boot in (BOOT, BOOT.replace("1", "2")):
        book = journal.Journal(path, boot, after=41)
        assert book.last == 41
        book.close()
        book = journal.Journal(path, boot, after=0)
        assert [numbered.n for numbered in book.append(started(1), exited(1))] == [42, 43]
        book.close()
        assert [numbered.n for numbered in journal.read(path, boot)] == [42, 43]


def test_what_was_begun_and_not_ended_is_unfinished(path: str) -> None:
    book = journal.Journal(path, BOOT)
    pause, web, db = (journal.Begun(name, 1, name, f"/pod/{name}") for name in ("", "web", "db"))
    for begun in (pause, web, db):
        book.begin(begun)
    book.append(started(1), exited(1))
    assert book.unfinished() == [db, pause]
    book.close()
    book = journal.Journal(path, BOOT)
    assert book.unfinished() == [db, pause]
    book.append(facts.StartFailed("db", 1, "db", "clone", 11, "no", 1.0), facts.SandboxEnded(1, 1.0))
    assert book.unfinished() == []
    book.close()


def test_acknowledged_facts_are_forgotten_but_for_the_newest_of_each_kind(path: str) -> None:
    book = journal.Journal(path, BOOT)
    book.append(facts.SandboxStarted(1, 5, 6, 1.0), started(1, "init"), exited(1, "init"))
    begun = journal.Begun("web", 200, "f", "/g")
    for attempt in range(1, 200):
        book.append(started(attempt), exited(attempt))
    book.begin(begun)
    (newest,) = book.append(started(200))
    book.acknowledge(newest.n - 3)
    assert Path(path).stat().st_size < journal.COMPACT_ABOVE
    kept = [numbered.fact for numbered in book.after(0)]
    assert kept[:3] == [facts.SandboxStarted(1, 5, 6, 1.0), started(1, "init"), exited(1, "init")]
    assert kept[3:] == [started(199), exited(199), started(200)]
    assert journal.read(path, BOOT) == tuple(book.after(0))
    assert [numbered.n for numbered in book.append(exited(200))] == [newest.n + 1]
    book.close()
    book = journal.Journal(path, BOOT)
    assert book.last == newest.n + 1
    assert not book.unfinished()
    book.close()


def test_a_short_journal_is_left_alone_by_an_acknowledgement(path: str) -> None:
    book = journal.Journal(path, BOOT)
    book.append(started(1), exited(1), started(2), exited(2))
    book.acknowledge(4)
    assert len(book.after(0)) == 4
    book.close()


def test_a_begun_run_stays_begun_through_a_compaction(path: str) -> None:
    book = journal.Journal(path, BOOT)
    begun = journal.Begun("web", 500, "f", "/g")
    book.begin(begun)
    for attempt in range(200):
        book.append(started(attempt, "db"), exited(attempt, "db"))
    book.acknowledge(book.last)
    book.close()
    book = journal.Journal(path, BOOT)
    assert book.unfinished() == [begun]
    book.close()


def test_a_link_in_the_journals_place_is_not_followed(path: str, tmp_path: Path) -> None:
    Path(path).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        journal.Journal(path, BOOT)
