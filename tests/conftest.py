"""Shared by all tests: helper modules by name, and no keys or addresses from the machine's own environment."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "servers"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all-tasks", action="store_true", help="try every task of the suites, not only a sample; takes some ten minutes of CPU"
    )


@pytest.fixture(autouse=True)
def no_models_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may find a real key or pass through a proxy."""
    for name in list(os.environ):
        if name.startswith(("ANTHROPIC_", "OPENAI_")) or name.lower() in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.delenv(name)
