"""The commands around a spool: what they print, how they end, and what they refuse."""

import json

from spooled import post, served

from kernelsearch import cli
from kernelsearch.cli.commands import worker as command
from kernelsearch.workers.spool.count import Count
from kernelsearch.workers.spool.folder import Folder


def kernelsearch(*words) -> int:
    return cli.run(cli.group, "kernelsearch", [str(word) for word in words])


def test_the_status_of_a_folder(tmp_path, capsys):
    assert kernelsearch("spool", tmp_path / "nowhere") == 2
    assert "is no spool" in capsys.readouterr().err
    folder = Folder(tmp_path)
    post(folder, 0)
    served(tmp_path)
    post(folder, 1)
    (tmp_path / "aside" / "requests-x\x1b[31m.json").touch()
    assert kernelsearch("spool", tmp_path) == 0
    said = capsys.readouterr().out
    assert said.startswith("1 waiting, 0 claimed, 1 answered, 0 late and not used\nno worker; where the GPU is: kernelsearch worker")
    assert "aside" in said and "\x1b" not in said
    assert kernelsearch("spool", tmp_path, "--json") == 0
    assert json.loads(capsys.readouterr().out)["waiting"] == 1


def test_an_empty_folder_ends_a_batch_job_at_once(tmp_path, capsys):
    assert kernelsearch("worker", tmp_path / "new", "--until-empty", "--device", "emulated") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"serving {tmp_path / 'new'} on emulated") and said[-1] == "done: 0 answered"


def test_the_terms_of_a_worker_and_its_exit_code(tmp_path, monkeypatch, capsys):
    asked = []

    def serve(folder, station, terms, ending, say):
        asked.append((terms.idle_s, terms.parallel, terms.lease_s))
        return Count(answered=3, late=1, returned=1, refused=2, taken_over=1)

    monkeypatch.setattr("kernelsearch.workers.spool.serve.serve", serve)
    for words in ((), ("--until-empty",), ("--until-empty", "--idle", 30), ("--idle", 5, "--parallel", 2, "--lease", 90)):
        assert kernelsearch("worker", tmp_path, "--device", "emulated", *words) == 1
    assert asked == [(None, 1, 60.0), (0.0, 1, 60.0), (30.0, 1, 60.0), (5.0, 2, 90.0)]
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "done: 3 answered, 1 taken over from workers that died, 1 answered by another worker before, 1 given back, 2 refused"
    assert command._summary(Count()) == "done: 0 answered"


def test_the_device_belongs_to_the_worker(tmp_path, capsys):
    words = ("optimize", "core/transpose", "--worker", f"spool:{tmp_path / 's'}", "--out", tmp_path / "run")
    assert kernelsearch(*words, "--device", "cuda") == 2
    assert "give --device, --hardware and --unsafe to `kernelsearch worker`" in capsys.readouterr().err
    assert kernelsearch("optimize", "core/transpose", "--worker", "nowhere", "--out", tmp_path / "run") == 2
    assert "or spool:DIR with" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
