"""A calibration as TOML in the user's cache: for people to read, and for `catalog.calibration` to read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from kernelsearch import catalog
from kernelsearch.model import Calibration
from kernelsearch.store.files import put


def to_toml(calibration: Calibration) -> str:
    """Strings and numbers of TOML are written as JSON's, which it contains."""
    head = {name: getattr(calibration, name) for name in ("gpu", "uuid", "driver", "date")}
    parts = [_table("", head), _table("[missing]", calibration.missing), _table("[conditions]", calibration.conditions)]
    for name, peak in calibration.peaks.items():
        values = {"best": peak.best, "median": peak.median, "spread": peak.spread, "samples": peak.samples}
        parts.append(_table(f"[peaks.{_literal(name)}]", values))
    return "\n".join(part for part in parts if part)


def keep(calibration: Calibration) -> Path:
    """Write it where labs on this GPU with this driver find it."""
    file = catalog.calibration_file(calibration.uuid, calibration.driver)
    file.parent.mkdir(parents=True, exist_ok=True)
    put(file, to_toml(calibration))
    return file


def _table(title: str, values: Mapping[str, str | float]) -> str:
    if not values:
        return ""
    lines = [f"{_literal(key)} = {_literal(value)}" for key, value in values.items()]
    return "\n".join([*([title] if title else []), *lines]) + "\n"


def _literal(value: str | float) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "")  # the one control character that JSON leaves as it is
