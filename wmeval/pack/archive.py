"""A pack as one file, to be sent: a zip of the same bytes every time, unpacked with nothing trusted."""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path

from wmeval.errors import UsageError
from wmeval.pack import layout

MOST_BYTES = 16 << 30  # of all that is unpacked
MOST_FILES = 2_000_000
_NAME = re.compile(
    rf"{re.escape(layout.MANIFEST)}|{layout.README}|{layout.INDEX}|{layout.TEMPLATE}"
    rf"|({layout.QUESTIONS}|{layout.CLIPS})/[0-9a-f]{{{layout.ID_HEX}}}/([a-z]{{1,20}}/)?[a-z0-9.]{{1,40}}"
)
_BEGINNING = (1980, 1, 1, 0, 0, 0)  # of all times that a zip can tell: when it was made is nobody's business


def packed(folder: Path, path: Path) -> None:
    """Write the questions and clips of a pack's folder into a zip; answers are left behind."""
    names = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name in sorted(n for n in names if _NAME.fullmatch(n)):
            entry = zipfile.ZipInfo(name, _BEGINNING)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            with (folder / name).open("rb") as file, archive.open(entry, "w") as kept:
                shutil.copyfileobj(file, kept, 1 << 20)


def unpacked(path: Path, folder: Path) -> layout.Pack:
    """Return the pack that a zip holds, unpacked into a folder that is there whole or not at all.

    Raises:
        UsageError: it is no pack, or one that would write elsewhere or too much.
    """
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if len(entries) > MOST_FILES or sum(e.file_size for e in entries) > MOST_BYTES:
                raise UsageError(f"{path} holds more than any pack does ({len(entries)} files)")
            for entry in entries:
                # no name but these is ever written, so none can leave the folder
                if not _NAME.fullmatch(entry.filename):
                    raise UsageError(f"{path} holds {entry.filename[:80]!r}, which is in no pack")
                _write(archive, entry, part / entry.filename)
    except zipfile.BadZipFile as fault:
        raise UsageError(f"{path} is no zip file or damaged ({fault}); get the pack again") from fault
    layout.read(part)
    (part / layout.ANSWERS).mkdir(exist_ok=True)
    part.rename(folder)
    return layout.read(folder)


def _write(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    left = entry.file_size
    with archive.open(entry) as packed_, path.open("xb") as file:
        while chunk := packed_.read(min(1 << 20, left + 1)):
            left -= len(chunk)
            if left < 0:
                raise UsageError(f"{entry.filename} is larger than its archive says; get the pack again")
            file.write(chunk)
