"""How long prompts may be: what the owner allows, else the length from which a model's price rises. In estimated tokens.

`prompt_tokens` is an option of the proposer, beside those of the model: it holds for all models of a pool, `2.prompt_tokens` for the second
alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from kernelsearch.errors import UsageError
from kernelsearch.llm import priced

_LIMIT = "prompt_tokens"
_OURS = re.compile(rf"edit_format|repairs|(?:\d+\.)?{_LIMIT}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of each model that may be asked, by its name; None for one without a limit."""

    by_model: Mapping[str, int | None] = field(default_factory=dict)

    @property
    def least(self) -> int | None:
        """What holds for every model."""
        return min((limit for limit in self.by_model.values() if limit is not None), default=None)

    def of(self, model: str) -> int | None:
        """Of the model called `model`; the least of all where there is none of that name, as when it is not yet known who is asked."""
        return self.by_model.get(model, self.least)


def of_the_model(options: Mapping[str, str]) -> dict[str, str]:
    """The options of the model, without the proposer's own."""
    return {name: value for name, value in options.items() if not _OURS.fullmatch(name)}


def limits(spec: str, options: Mapping[str, str]) -> Limits:
    """How long prompts for `spec` may be; of the rules, which read none, for those that can be looked at. Raises `UsageError`."""
    if spec == "rules":
        return Limits(by_model={spec: _tokens(_LIMIT, options[_LIMIT])} if _LIMIT in options else {})
    found = priced(spec, options=of_the_model(options))
    numbered = {name: value for name, value in options.items() if name.endswith(f".{_LIMIT}") and _OURS.fullmatch(name)}
    for name in numbered:
        number = int(name.partition(".")[0])
        if not (spec.startswith("pool:") and 1 <= number <= len(found)):
            raise UsageError(
                f"option {name!r}: {f'the pool has members 1 to {len(found)}' if spec.startswith('pool:') else f'{spec} is no pool'}"
            )
    by_model: dict[str, int | None] = {}
    for number, (_, name, prices) in enumerate(found, 1):
        alone = f"{number}.{_LIMIT}"
        option = alone if alone in numbered else _LIMIT
        by_model[name] = _tokens(option, options[option]) if option in options else prices.long_above
    return Limits(by_model=by_model)


def _tokens(option: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and 0 < int(value) < 10**9):
        raise UsageError(f"option {option} = {value!r} is not a whole number of tokens above zero")
    return int(value)
