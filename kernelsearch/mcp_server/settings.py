"""What the person who starts the server decides, and no agent can change: where it may work, and on which device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`root` is a real path; the rest are the options of `kernelsearch evaluate` and `optimize` of those names."""

    root: Path
    device: str = "auto"
    hardware: str = ""
    metrics: str = "quick"
    unsafe: bool = False

    @property
    def options(self) -> list[str]:
        """As a command of ours takes them."""
        named = [f"--device={self.device}", f"--metrics={self.metrics}"]
        named += [f"--hardware={self.hardware}"] if self.hardware else []
        return [*named, "--unsafe"] if self.unsafe else named
