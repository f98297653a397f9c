"""Scratch folders: this process's own, and no remains of processes that are gone."""

import os
from pathlib import Path

from kernelsearch import paths


def test_remains_of_killed_processes_are_removed_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "scratch_root", lambda: tmp_path)
    in_use = paths.new_scratch()
    gone, other, lock = tmp_path / f"{paths._SCRATCH}abc", tmp_path / "kernelsearch-notes", tmp_path / "kernelsearch-GPU-1.job"
    gone.mkdir()
    (gone / "inputs").write_bytes(b"x")
    other.mkdir()
    lock.touch()
    mine = paths.new_scratch()
    assert mine != in_use
    assert sorted(tmp_path.iterdir()) == sorted([in_use, mine, other, lock])
    paths.drop_scratch(in_use)
    paths.drop_scratch(mine)


def test_a_dropped_folder_leaves_neither_files_nor_a_descriptor(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "scratch_root", lambda: tmp_path)
    before = list(Path("/proc/self/fd").iterdir())
    folder = paths.new_scratch()
    (folder / "inputs").write_bytes(b"x")
    paths.drop_scratch(folder)
    assert not folder.exists()
    assert len(list(Path("/proc/self/fd").iterdir())) == len(before)


def test_a_folder_is_locked_by_its_owner_alone(tmp_path):
    handle = paths._lock(tmp_path)
    assert handle is not None
    assert paths._lock(tmp_path) is None
    os.close(handle)
    assert paths._lock(tmp_path / "absent") is None
