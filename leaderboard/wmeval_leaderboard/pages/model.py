"""A model's page: one strip a question, where errors come from, what to look at, and its history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup
from sqlalchemy import Engine

from wmeval.report import groups, sections, words
from wmeval_leaderboard.blobs import Blobs
from wmeval_leaderboard.board import detail
from wmeval_leaderboard.board.snapshot import Snapshot
from wmeval_leaderboard.database import reading
from wmeval_leaderboard.pages.links import Links
from wmeval_leaderboard.pages.render import render
from wmeval_leaderboard.pages.stills import Still, stills

MOST = 18  # samples that a page shows


def page(snapshot: Snapshot, engine: Engine, blobs: Blobs, links: Links, slug: str) -> str:
    """Return a model's page.

    Raises:
        NotHere: no model has this name.
    """
    entries = snapshot.of_model(slug)
    stands = {e.id for season in snapshot.seasons for e in snapshot.standing(season.name)}
    shown = next((e for e in entries if e.id in stands), entries[0])
    with reading(engine) as session:
        results = detail.results(session, shown)
        shots = detail.shots(session, submission=shown.slug)
    told = groups.grouped(results["scores"])
    return render(
        "model.html.j2",
        links,
        here="board",
        entry=shown,
        entries=entries,
        season=snapshot.season(shown.season),
        lead=_lead(results),
        card=sections.card(results),
        notes=shown.card.get("notes") or (),
        groups=[(g, _strips(g, links, shown.season)) for g in told],
        splits=_splits([row for row in results["scores"] if row["tag"] == "iid"]),
        fidelity=sections.fidelity(results["fidelity"]),
        plans=[r for r in results["planning"] if r["dynamics"] == "model" and r["cost"] == "state"],
        implied=sections.implied(results["implied"]),
        not_asked=sections.not_asked(results["na"]),
        speed=sections.speed(results["speed"]),
        stills=_few(stills(shots, blobs)),
        shots=sorted(shots, key=lambda s: (s.name, s.instrument, s.tag != "iid", s.tag, s.position)),
    )


def _lead(results: Mapping[str, Any]) -> str:
    """Return what the model shows beyond chance, of what it was trained on and asked to continue."""
    scores = [r for r in results["scores"] if (r["instrument"], r["tag"]) == ("rollout", "iid")]
    return words.lead({**results, "scores": scores}) if scores else ""


def _strips(group: groups.Group, links: Links, season: str) -> list[dict[str, Any]]:
    if group.kind == "control":
        return []
    return [
        {
            "name": str(row["probe"]).partition("@")[0],
            "under": f"{row['instrument']}{'' if row['tag'] == 'iid' else ', ' + row['tag']}",
            "href": links.to("probes", str(row["probe"])),
            "score": row,
            "beyond": row["tag"] != "iid",
        }
        for row in group.scores
    ]


def _splits(scores: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the parts of the errors as bars of an SVG, since a style in a mark is not allowed here."""
    rows = []
    for row in groups.splits(scores):
        at, marks = 0.0, Markup("")
        for side, width in row["widths"]:
            form = '<rect class="p-{}" x="{:.2f}%" width="{:.2f}%" height="14"/>'
            marks += Markup(form).format(side, at, min(width, 100 - at))
            at = min(100.0, at + width)
        rows.append(
            {
                **row,
                "bar": Markup(
                    '<svg class="bar3" width="100%" height="14" aria-hidden="true">{}</svg>'
                ).format(marks),
            }
        )
    return rows


def _few(found: Sequence[Still]) -> list[Still]:
    """Return some of the samples: what was drawn by the key on iid scenes before all else."""
    order = {"drawn": 0, "worst": 1, "median": 2, "best": 3}
    return sorted(found, key=lambda s: (s.shot.tag != "iid", order.get(s.shot.position, 9)))[:MOST]
