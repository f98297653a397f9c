"""Messages between us and the trusted process: a header of JSON and raw arrays behind it, over a pipe. Nothing is pickled."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_LENGTH = struct.Struct("<Q")


def write(stream: IO[bytes], header: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Send one message. Raises `OSError` when the other end is gone."""
    packed = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    table = [{"name": name, "dtype": array.dtype.str, "shape": array.shape} for name, array in packed.items()]
    # ascontiguousarray makes one dimension of none; the shape that is told is the array's own.
    for entry in table:
        entry["shape"] = arrays[str(entry["name"])].shape
    text = json.dumps({"header": header, "arrays": table}).encode()
    stream.write(_LENGTH.pack(len(text)) + text)
    for array in packed.values():
        stream.write(array.reshape(-1).view(np.uint8).data)
    stream.flush()


def read(stream: IO[bytes]) -> tuple[dict[str, Any], dict[str, Array]]:
    """The next message. Raises `EOFError` when there is none."""
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    message = json.loads(_exactly(stream, length))
    arrays = {}
    for entry in message["arrays"]:
        array: Array = np.empty(entry["shape"], entry["dtype"])
        _into(stream, array.reshape(-1).view(np.uint8).data)
        arrays[entry["name"]] = array
    return message["header"], arrays


def _exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise EOFError("the other end of the pipe is gone")
    return data


def _into(stream: IO[bytes], place: memoryview) -> None:
    reader: Any = stream  # a buffered reader; IO has no readinto
    done = 0
    while done < len(place):
        count = reader.readinto(place[done:])
        if not count:
            raise EOFError("the other end of the pipe is gone")
        done += count
