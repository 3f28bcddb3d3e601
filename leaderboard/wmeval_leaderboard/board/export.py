"""The view of the board as files: one row a model and column, so that every number keeps its interval."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from wmeval_leaderboard.board.table import Board

TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/json",
         "parquet": "application/vnd.apache.parquet"}  # fmt: skip
FIELDS = (
    "season", "suite", "view", "tag", "context", "training", "model", "name", "family", "team", "tier",
    "submission", "column", "unit", "better", "value", "lo", "hi", "n", "failed", "of", "out_of", "measured",
    "rank_in", "best_rank", "worst_rank", "ranked_by",
)  # fmt: skip


def rows(board: Board) -> list[dict[str, Any]]:
    """Return the numbers of a board that is not cut into pages, and of its references."""
    common = {"season": board.season.name, "suite": board.season.suite, "view": board.query.view,
              "tag": board.query.tag}  # fmt: skip
    out = []
    by = board.sorted_by.key if board.sorted_by else ""
    for section in board.sections:
        context, training = (*section.classes, "", "")[:2]
        for line in section.lines:
            entry, rank = line.ranked.entry, line.ranked.rank
            best, worst = rank or (None, None)
            told = {
                **common, "context": context, "training": training, "model": entry.model, "name": entry.name,
                "family": entry.family, "team": entry.team, "tier": entry.tier, "submission": entry.slug,
                "rank_in": by, "best_rank": best, "worst_rank": worst, "ranked_by": section.method,
            }  # fmt: skip
            out += _cells(board, line.cells, told)
    for reference in board.references:
        told = {**common, "name": reference.name, "model": reference.model, "family": "reference"}
        out += _cells(board, reference.cells, told)
    return [{name: row.get(name) for name in FIELDS} for row in out]


def _cells(board: Board, cells: Any, told: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            **told, "column": column.key, "unit": column.unit or ("skill" if column.skill else ""),
            "better": "higher" if column.higher else "lower", "value": cell.value, "lo": cell.lo,
            "hi": cell.hi, "n": cell.n, "failed": cell.failed, "of": cell.of, "out_of": cell.out_of,
            "measured": cell.tier,
        }
        for column, cell in zip(board.columns, cells, strict=True)
        if cell is not None
    ]  # fmt: skip


def as_csv(board: Board) -> bytes:
    """Return the rows as CSV. A cell that a spreadsheet would run as a formula begins with an apostrophe."""
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    for row in rows(board):
        writer.writerow({k: f"'{v}" if isinstance(v, str) and v[:1] in "=+-@\t\r" and v else v
                         for k, v in row.items()})  # fmt: skip
    return text.getvalue().encode()


def as_json(board: Board) -> bytes:
    """Return the rows as JSON, with what the columns mean."""
    told = {
        "season": board.season.name,
        "suite": board.season.suite,
        "columns": {c.key: {"title": c.title, "says": c.words, "unit": c.unit} for c in board.columns},
        "rows": rows(board),
    }
    return json.dumps(told, allow_nan=False).encode()


def as_parquet(board: Board) -> bytes:
    """Return the rows as one Parquet table."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    whole = {"n", "failed", "of", "out_of", "best_rank", "worst_rank"}
    real = {"value", "lo", "hi"}
    kinds = {f: pa.int64() if f in whole else pa.float64() if f in real else pa.string() for f in FIELDS}
    table = pa.Table.from_pylist(rows(board), pa.schema(list(kinds.items())))
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


MAKE = {"csv": as_csv, "json": as_json, "parquet": as_parquet}
