"""What every language model must do, whoever it is: the SDKs over HTTP, a pool of them, recorded answers, and a mailbox."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from model_server import ModelServer, Said, anthropic_events, openai_events, responses_events, stream

from kernelsearch.llm import open_model
from kernelsearch.llm.base import LanguageModel, Message, RefusedReply
from kernelsearch.llm.recording import Exchange

SAID = "SUMMARY: ½ the loads\n```\ncode\n```"


@dataclass
class Kind:
    """A model with `answers` of the same text ready, and one truncated answer in place of them when asked for."""

    name: str
    make: Callable[[int, bool], LanguageModel]
    truncates: bool = True


def http(server: ModelServer, spec: str, events: Callable[[Said], list[str]], **options: str) -> Callable[[int, bool], LanguageModel]:
    def make(answers: int, truncated: bool) -> LanguageModel:
        said = Said(text=SAID, end="length" if truncated else "stop", plain=10, output=5)
        server.then(*[stream(events(said))] * answers)
        return open_model(spec, base_url=server.url, options=options)

    return make


def replay(folder: Path) -> Callable[[int, bool], LanguageModel]:
    def make(answers: int, truncated: bool) -> LanguageModel:
        from kernelsearch.codec import dump_json

        line = dump_json(Exchange(reply=SAID, model="m", refused="truncated" if truncated else None))
        (folder / "answers.jsonl").write_text(f"{line}\n" * answers, encoding="utf-8")
        return open_model(f"replay:{folder / 'answers.jsonl'}")

    return make


def mailbox(folder: Path) -> Callable[[int, bool], LanguageModel]:
    def make(answers: int, truncated: bool) -> LanguageModel:
        for number in range(answers):
            (folder / f"{number + 1:04d}.answer.md").write_text(SAID, encoding="utf-8")
        return open_model(f"mailbox:{folder}", options={"poll_s": "0.01", "timeout_s": "20"})

    return make


@pytest.fixture(params=["anthropic", "chat", "responses", "pool", "replay", "mailbox"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kind]:
    with ModelServer() as server:
        yield {
            "anthropic": lambda: Kind("anthropic:m", http(server, "anthropic:m", anthropic_events)),
            "chat": lambda: Kind("openai:m", http(server, "openai:m", openai_events)),
            "responses": lambda: Kind("openai:m", http(server, "openai:m", responses_events, api="responses")),
            "pool": lambda: Kind("pool:openai:m*2,openai:n", http(server, "pool:openai:m*2,openai:n", openai_events)),
            "replay": lambda: Kind(f"replay:{tmp_path}", replay(tmp_path)),
            "mailbox": lambda: Kind(f"mailbox:{tmp_path}", mailbox(tmp_path), truncates=False),
        }[request.param]()


def ask(model: LanguageModel, text: str = "hello") -> str:
    return model.complete("system", [Message(role="user", text=text)]).text


def test_it_has_the_name_it_was_asked_for_by(kind: Kind):
    assert kind.make(0, False).name.startswith(kind.name)


def test_an_answer_comes_to_the_letter(kind: Kind):
    assert ask(kind.make(1, False)) == SAID


def test_a_truncated_answer_is_refused_with_its_text(kind: Kind):
    if not kind.truncates:
        pytest.skip("a mailbox does not know that an answer was cut off")
    with pytest.raises(RefusedReply) as caught:
        ask(kind.make(1, True))
    assert caught.value.reason == "truncated" and caught.value.text == SAID


def test_an_answer_of_ten_megabytes_is_refused(kind: Kind, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(globals(), "SAID", "x" * 10_000_000)
    with pytest.raises(RefusedReply) as caught:
        ask(kind.make(1, False))
    assert caught.value.reason == "oversized" and len(caught.value.text) <= 20_000 and caught.value.usage.calls <= 1


def test_threads_may_ask_at_once_and_each_gets_an_answer(kind: Kind):
    model = kind.make(8, False)
    together = threading.Barrier(4)

    def one(number: int) -> str:
        if number < 4:
            together.wait(10)
        return ask(model, f"question {number}")

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, range(8))) == [SAID] * 8


def test_importing_the_package_imports_no_sdk():
    code = "import sys, kernelsearch.llm, kernelsearch.propose; print([m for m in ('anthropic', 'openai', 'httpx2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
