"""What calls cost, from the price lists in `profiles/models/`.

A list names the endpoints it holds for, as patterns on the base URL, and prices by patterns on the model's name. What no list names
has no known price: its calls count as 0 USD, and `Prices.known` says so, because a budget in money cannot then end a run.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, ClassVar

from kernelsearch import codec, paths
from kernelsearch.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What a server counted for one call. `input` is everything that was read, `cached` and `written` included."""

    input: int = 0
    cached: int = 0  # read from the prompt cache
    written: int = 0  # written to the prompt cache, where that is billed apart
    output: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """USD per million tokens. Without `cached` or `cache_write` those tokens cost as much as other input."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None

    def usd(self, tokens: Tokens) -> float:
        plain = tokens.input - tokens.cached - tokens.written
        cached = self.input if self.cached is None else self.cached
        written = self.input if self.cache_write is None else self.cache_write
        return (plain * self.input + tokens.cached * cached + tokens.written * written + tokens.output * self.output) / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPrice:
    """The price of the models whose names match one of `names`. Prompts above `long_above` tokens cost `long` throughout."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    names: tuple[str, ...]
    rates: Rates
    long_above: int | None = None
    long: Rates | None = None
    date: str  # when the source was read
    source: str

    def __post_init__(self) -> None:
        if (self.long_above is None) != (self.long is None):
            raise ValueError("`long_above` and `long` belong together")


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """One file of `profiles/models/`."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    endpoints: tuple[str, ...]
    models: tuple[ModelPrice, ...]
    notes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """The price of one model at one endpoint."""

    price: ModelPrice | None = field(default=None)

    @property
    def known(self) -> bool:
        return self.price is not None

    @property
    def long_above(self) -> int | None:
        """The length of a prompt above which all of it costs more; None where there is none or none is known."""
        return None if self.price is None else self.price.long_above

    def usd(self, tokens: Tokens) -> float:
        """0 when the price is not known."""
        if self.price is None:
            return 0.0
        if self.price.long is not None and self.price.long_above is not None and tokens.input > self.price.long_above:
            return self.price.long.usd(tokens)
        return self.price.rates.usd(tokens)


FREE = Prices(
    price=ModelPrice(names=("*",), rates=Rates(input=0.0, output=0.0), date="", source="no server is asked, or what one asked is known")
)


def find(endpoint: str, model: str) -> Prices:
    """The price of `model` at the base URL `endpoint`; the first match counts. Raises `UsageError` for a damaged list."""
    for listed in _lists():
        if any(fnmatchcase(endpoint, pattern) for pattern in listed.endpoints):
            for price in listed.models:
                if any(fnmatchcase(model, pattern) for pattern in price.names):
                    return Prices(price=price)
    return Prices()


def read(text: str, where: str) -> PriceList:
    """The price list in TOML `text`. Raises `UsageError` with file and path for what does not fit."""
    try:
        return codec.load_json(PriceList, json.dumps(tomllib.loads(text), default=str))
    except (tomllib.TOMLDecodeError, UsageError) as error:
        raise UsageError(f"{where}: {error}") from error


@lru_cache(maxsize=1)
def _lists() -> tuple[PriceList, ...]:
    files = sorted((paths.data("profiles") / "models").glob("*.toml"))
    return tuple(read(file.read_text(encoding="utf-8"), str(file)) for file in files)
