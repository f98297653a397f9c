"""Rows of a parquet file (pyarrow's only door; an extra, so it is imported when a file is read)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kernelsearch.errors import ToolMissing, UsageError

MAGIC = b"PAR1"


def is_parquet(file: Path) -> bool:
    """By its first bytes, whatever it is called."""
    try:
        with file.open("rb") as stream:
            return stream.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def rows(file: Path, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    """The rows of `file` with these columns. Raises `UsageError` for what is no such table, `ToolMissing` without pyarrow."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ToolMissing(f"{file}: reading parquet needs pyarrow; install kernelsearch[parquet]") from error
    try:
        table = parquet.ParquetFile(file)
        if missing := [name for name in columns if name not in table.schema_arrow.names]:
            raise UsageError(f"{file}: no column {missing[0]!r}; KernelBench's data set has {', '.join(columns)}")
        found: list[dict[str, Any]] = table.read(list(columns)).to_pylist()
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise UsageError(f"{file}: not a parquet file that can be read: {str(error)[:200]}; fetch it again") from error
    return found
