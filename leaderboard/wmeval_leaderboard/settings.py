"""What an operator decides, once, when a server starts; secrets come from the environment alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from wmeval.errors import UsageError

MIB = 1 << 20


@dataclass(frozen=True)
class Settings:
    """All knobs of a server. `url` is SQLAlchemy's (SQLite by default), `files` an fsspec address."""

    url: str
    files: str
    largest_part: int = 64 * MIB  # bytes
    largest_submission: int = 2048 * MIB  # bytes
    largest_list: int = 32 * MIB  # bytes, of the request that names a submission's parts
    largest_form: int = MIB  # bytes, of any other request
    patience_s: float = 30.0  # between two pieces of a request
    most_parts: int = 60_000
    submissions_a_day: int = 10  # a team
    challenges_a_season: int = 3  # a team
    challenge_cases: int = 16  # hidden ones, a probe and tag
    answer_within_s: float = 24 * 3600.0
    lease_s: float = 60.0
    measuring_s: float = 12 * 3600.0  # what re-scoring one submission may take
    measuring_bytes: int = 16 << 30  # of memory that it may take
    verifying_bytes: int = 1 << 42  # of addresses where weights are run: a GPU maps far more than there is
    weights: str = ""  # a folder with the weights of submissions, found by their digest; for --verify
    device: str = "auto"  # that they are run on
    scratch: str = ""  # a folder for what is being measured; empty: the machine's own
    attempts: int = 3
    requests_a_minute: int = 6000  # an address

    def changed(self, given: Mapping[str, str]) -> Settings:
        """Return the settings with some of them as they were given, in words.

        Raises:
            UsageError: there is no such setting, or it is no number.
        """
        kinds = {f.name: type(getattr(self, f.name)) for f in fields(self)}
        values: dict[str, Any] = {}
        for name, word in given.items():
            if name not in kinds:
                raise UsageError(f"there is no setting {name!r}; expected one of {', '.join(kinds)}")
            try:
                values[name] = kinds[name](word)
            except ValueError as fault:
                raise UsageError(f"the setting {name} was given as {word!r}; expected a number") from fault
        return replace(self, **values)

    @classmethod
    def in_folder(cls, folder: Path) -> Settings:
        """Return the settings of a server that keeps all it has in one folder."""
        folder = folder.absolute()
        url, files = f"sqlite:///{folder / 'leaderboard.sqlite'}", f"file://{folder / 'files'}"
        return cls(url, files, scratch=str(folder / "scratch"))
