"""Keys leave everything that is written; what only looks a little like one stays."""

from pathlib import Path

import pytest

from kernelsearch.llm.base import Message, RefusedReply, Reply
from kernelsearch.llm.recording import Recording
from kernelsearch.model import Attempt, Candidate, Origin, Outcome, Proposal, Usage
from kernelsearch.scrub import REMOVED, scrub
from kernelsearch.store.blobs import Blobs
from kernelsearch.store.journal import Journal

LETTERS = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
KEYS = [
    f"sk-ant-api03-{LETTERS}-{LETTERS}AA",
    f"sk-proj-{LETTERS}_{LETTERS}",
    f"sk-or-v1-{'0123456789abcdef' * 4}",
    f"gsk_{LETTERS}",
    f"hf_{LETTERS[:34]}",
    f"xai-{LETTERS}",
    f"nvapi-{LETTERS}",
    f"AIza{LETTERS[:35]}",
    f"ghp_{LETTERS[:36]}",
    "AKIAIOSFODNN7EXAMPLE",
    f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.{LETTERS}",
]


@pytest.mark.parametrize("key", KEYS)
def test_keys_of_known_providers_are_taken_out(key: str):
    for text in (key, f"key={key}.", f'{{"k": "{key}"}}', f"({key})", f"Incorrect API key provided: {key}."):
        assert key not in scrub(text) and REMOVED in scrub(text)


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcdef1234567890",
        '"authorization": "Basic dXNlcjpwYXNzd29yZA=="',
        "x-api-key: 0123456789abcdef",
        "api_key = 'correct-horse-battery'",
        "use Bearer 9f8e7d6c5b4a3f2e now",
        "https://user:pass1234@example.org/v1",
    ],
)
def test_what_stands_behind_a_header_is_taken_out(text: str):
    assert scrub(text).count(REMOVED) == 1
    for secret in ("abcdef1234567890", "dXNlcjpw", "0123456789abcdef", "correct-horse", "9f8e7d6c", "pass1234"):
        assert secret not in scrub(text)


def test_values_of_ones_own_variables_are_taken_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SOME_HOUSE_API_KEY", "plain-words-as-a-key")
    monkeypatch.setenv("SHORT_API_KEY", "none")
    assert scrub("it said plain-words-as-a-key, none of it") == f"it said {REMOVED}, none of it"


@pytest.mark.parametrize(
    "text",
    [
        "__global__ void task_key(const float* __restrict__ keys, int n) { __shared__ float sk[32]; }",
        "risk-averse, desk-bound; mask-and-shift over a hash-table",
        "SUMMARY: sort by key, bearer of the largest value",
        "https://example.org/a@b and std::map<int, int> token = {};",
        "0123456789abcdef0123456789abcdef is a digest",
    ],
)
def test_code_and_prose_stay_to_the_letter(text: str):
    assert scrub(text) == text


class Leaking:
    """Says a key back, as an answer or in declining one."""

    name = "leaking:1"

    def complete(self, system: str, messages: list[Message], *, seed: int = 0) -> Reply:
        if seed:
            raise RefusedReply(f"no: {KEYS[0]}", reason="declined", text=KEYS[1], usage=Usage(calls=1))
        return Reply(text=f"your key is {KEYS[2]}", model="m", usage=Usage(calls=1))


def test_a_recording_holds_no_key(tmp_path: Path):
    model = Recording(Leaking(), tmp_path / "r.jsonl")
    assert KEYS[2] in model.complete("", []).text
    with pytest.raises(RefusedReply):
        model.complete("", [], seed=1)
    text = (tmp_path / "r.jsonl").read_text()
    assert text.count(REMOVED) == 3 and not any(key in text for key in KEYS)


def test_a_journal_holds_no_key_and_sources_to_the_letter(tmp_path: Path):
    source = f"// {KEYS[0]}\n" * 9
    long = "long " * 50
    origin = Origin(proposer="p", prompt=f"{long}{KEYS[1]}", reply=KEYS[2])
    attempt = Attempt(
        proposal=Proposal(ticket=0, parent=0, seed=0),
        outcome=Outcome.UNUSABLE,
        candidate=Candidate(task="t", source=source, origin=origin),
        detail=f"it says {KEYS[3]}",
        prompt=f"{long}{KEYS[4]}",
        reply=f"{long}{KEYS[5]}",
    )
    journal = Journal(tmp_path / "journal.jsonl", Blobs(tmp_path / "blobs"))
    journal.append(attempt, None, 0.0)
    journal.close()
    read = Journal(journal.path, Blobs(tmp_path / "blobs")).nodes[0]
    assert read.candidate.source == source
    written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert not any(key in written for key in KEYS[1:])
