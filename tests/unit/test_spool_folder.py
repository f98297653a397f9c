"""The files of a spool: whole or not there, written once, and nothing followed out of the folder."""

import errno
import os
import threading

import pytest

from kernelsearch.errors import UsageError
from kernelsearch.workers.spool import folder as module
from kernelsearch.workers.spool.folder import Folder, read

NAME = "0123456789abcdef" * 2


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "box")


def test_a_new_folder_is_private_and_a_file_is_none(tmp_path, folder):
    assert folder.path.stat().st_mode & 0o077 == 0
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot use .*file as a spool"):
        Folder(tmp_path / "file")
    with pytest.raises(UsageError, match="is no spool"):
        Folder(tmp_path / "nowhere", make=False)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("links", [True, False], ids=["with links", "without"])
def test_of_many_writers_one_is_first(folder, monkeypatch, links):
    if not links:

        def refused(draft, path):
            raise OSError(errno.ENOTSUP, "Operation not supported")

        monkeypatch.setattr(os, "link", refused)
    path, first, start = folder.file("results", NAME), [], threading.Barrier(8)

    def write(number):
        start.wait()
        if folder.put_once(path, f"{number}".encode() * 1000):
            first.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(first) == 1 and path.read_bytes() == f"{first[0]}".encode() * 1000
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_link_that_was_made_and_answered_as_there_counts_as_ours(folder, monkeypatch):
    link = os.link

    def answered_twice(draft, path):
        link(draft, path)
        raise FileExistsError(errno.EEXIST, "File exists")

    monkeypatch.setattr(os, "link", answered_twice)
    assert folder.put_once(folder.file("results", NAME), b"data")


@pytest.mark.parametrize("links", [True, False], ids=["with links", "without"])
def test_a_full_disk_leaves_nothing_and_names_the_file(folder, monkeypatch, links):
    write = module._write

    def full(path, data):
        if links or not path.name.startswith("."):
            path.write_bytes(data[:3])
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, data)

    def refused(draft, path):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(module, "_write", full)
    monkeypatch.setattr(os, "link", os.link if links else refused)
    with pytest.raises(OSError, match="No space left") as caught:
        folder.put_once(folder.file("results", NAME), b"data")
    assert caught.value.filename == str(folder.file("results", NAME))
    assert list((folder.path / "results").iterdir()) == []


def test_names_are_those_that_we_give_oldest_first(folder):
    names = [f"{number}" * 32 for number in (7, 3, 5)]
    for age, name in enumerate(names):
        folder.file("requests", name).touch()
        os.utime(folder.file("requests", name), (age, age))
    strange = [
        "..json",
        "x.json",
        f"{NAME}.json.1",
        NAME.upper() + ".json",
        "a" * 31 + ".json",
        f"{NAME}.txt",
        "x..%2f..%2fetc.json",
        "é.json",
    ]
    for name in strange:
        (folder.path / "requests" / name).touch()
    (folder.path / "requests" / f".{NAME}.json.part").touch()
    assert list(folder.names("requests")) == names and folder.known("requests") == set(names)
    assert {path.name for path in folder.foreign("requests")} == set(strange) - {"..json"}


def test_only_plain_files_are_read(folder, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("told")
    path = folder.file("results", NAME)
    assert read(path) is None
    path.symlink_to(secret)
    with pytest.raises(UsageError, match="link"):
        read(path)
    assert folder.set_aside(path, "why").endswith(": why") and secret.read_text() == "told"
    os.mkfifo(path)
    with pytest.raises(UsageError, match="not a plain file"):
        read(path)  # at once: nobody ever writes into it
    path.unlink()
    path.mkdir()
    with pytest.raises(UsageError, match="not a plain file"):
        read(path)
    path.rmdir()
    with path.open("wb") as file:
        file.truncate(module._MOST_BYTES + 1)
    with pytest.raises(UsageError, match="bytes"):
        read(path)


def test_what_is_set_aside_keeps_all_that_was_set_aside_before(folder):
    for number in range(3):
        path = folder.file("requests", NAME)
        path.write_text(str(number))
        told = folder.set_aside(path, "it is torn")
        assert str(path) in told and "aside" in told and not path.exists()
    assert sorted(path.read_text() for path in folder.paths("aside")) == ["0", "1", "2"]
    assert folder.set_aside(folder.file("requests", NAME), "gone") == ""


def test_a_file_that_is_being_copied_is_not_settled(tmp_path):
    now = [0.0]
    folder = Folder(tmp_path, settled_s=2.0, clock=lambda: now[0])
    path = folder.file("results", NAME)
    assert not folder.settled(path)
    for size in range(3):
        path.write_bytes(b"x" * size)
        now[0] += 10.0
        assert not folder.settled(path)
    now[0] += 1.9
    assert not folder.settled(path)
    now[0] += 0.2
    assert folder.settled(path)
