"""Builds that were made before, by the content they were made from.

Owns a folder `<root>/<2 hex>/<key>/` with `build.json` and, for a build that is ok, `artifact`. An entry appears whole or not at
all (written aside, then renamed), so threads, processes and crashes cannot spoil it; of two that build the same, the first to
publish wins. Failures are kept too, as the compiler's answer is a function of the key; a time-out is not, as it depends on the load.
Not bounded: an entry is the size of its artifact (about 10 kB to 1 MB), and the folder may be deleted at any time between runs.
"""

from __future__ import annotations

import errno
import io
import re
import shutil
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

from kernelsearch import digest
from kernelsearch.codec import dump_json, load_json
from kernelsearch.errors import UsageError
from kernelsearch.model import Build, Verdict

_BUILD, _ARTIFACT = "build.json", "artifact"
_KEY = re.compile(r"[0-9a-f]+")


def build_key(*, source: str, flags: tuple[str, ...], form: str, arch: str, toolchain: str) -> str:
    """The name of a build: everything that the compiler's answer depends on."""
    return digest.of_text("build", toolchain, arch, form, str(len(flags)), *flags, source)


class BuildCache:
    """Thread-safe and process-safe. `root` is made on demand."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def get(self, key: str) -> Build | None:
        """The kept build, marked `cached` and with the path of its artifact; None when there is none or it is damaged."""
        entry = self._entry(key)
        try:
            build = load_json(Build, (entry / _BUILD).read_bytes())
        except (FileNotFoundError, UsageError):
            return None
        artifact = entry / _ARTIFACT
        if not build.ok:
            return replace(build, cached=True)
        return replace(build, artifact=str(artifact), cached=True) if artifact.is_file() else None

    def put(self, key: str, build: Build, artifact: Path | None = None) -> Build:
        """Keep `build` with a copy of `artifact` (needed when it is ok); returns it with the path of the kept artifact.

        A build that timed out is returned as it is and not kept. Raises `OSError` when the folder cannot be written.
        """
        if build.failure is Verdict.TIMED_OUT:
            return build
        if build.ok != (artifact is not None):
            raise ValueError("an artifact belongs to a build that is ok, and to no other")
        entry = self._entry(key)
        entry.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".aside-", dir=entry.parent))
        try:
            aside.chmod(0o755)  # mkdtemp's 0700 would hide the artifact from a box that runs as another user
            if artifact is not None:
                shutil.copyfile(artifact, aside / _ARTIFACT)
                (aside / _ARTIFACT).chmod(0o755)
            (aside / _BUILD).write_text(dump_json(build))
            self._publish(aside, entry, key)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        return replace(build, artifact=str(entry / _ARTIFACT)) if build.ok else build

    def bundle(self) -> bytes:
        """All entries, to be carried to another machine's cache."""
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(self._root.glob(f"*/*/{_BUILD}")):
                for part in (file, file.with_name(_ARTIFACT)):
                    if part.is_file():
                        archive.write(part, f"{file.parent.name}/{part.name}")
        return held.getvalue()

    def take_in(self, bundle: bytes) -> None:
        """Keep the entries of a bundle; those that are here already stay. Raises `UsageError` for what is none."""
        try:
            with zipfile.ZipFile(io.BytesIO(bundle)) as archive, tempfile.TemporaryDirectory() as folder:
                names = archive.namelist()
                for name in names:
                    key, _, part = name.partition("/")
                    if part != _BUILD or not _KEY.fullmatch(key):
                        continue
                    artifact = Path(folder) / key if f"{key}/{_ARTIFACT}" in names else None
                    if artifact is not None:
                        artifact.write_bytes(archive.read(f"{key}/{_ARTIFACT}"))
                    self.put(key, load_json(Build, archive.read(name)), artifact)
        except (zipfile.BadZipFile, ValueError) as error:
            raise UsageError(f"not a bundle of builds: {error}") from error

    def _publish(self, aside: Path, entry: Path, key: str) -> None:
        """Rename into place. An entry that is there already stays, unless it cannot be read."""
        if entry.exists() and self.get(key) is None:
            shutil.rmtree(entry, ignore_errors=True)
        try:
            aside.rename(entry)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # another builder was first: theirs is as good
                raise

    def _entry(self, key: str) -> Path:
        return self._root / key[:2] / key
