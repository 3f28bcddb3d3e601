"""report.html: one file that opens from disk, says everything of a run, and asks nothing of the network.

Text of models is data: Jinja escapes it, and the page's own policy runs no script but the page's.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from wmeval.report import groups, own, planning, plots, sections, words
from wmeval.report.sample import Key, Sample, telling
from wmeval.report.scenes import planned_scenes, probe_sections
from wmeval.report.videos import Videos, anchor

if TYPE_CHECKING:
    from jinja2 import Environment

POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{}'; "
    "base-uri 'none'; form-action 'none'"
)


def page(
    results: Mapping[str, Any],
    samples: Sequence[Sample],
    about: sections.About,
    film: Sequence[tuple[str, Any]] = (),
) -> str:
    """Return the page of a run as HTML.

    Args:
        results: the content of results.json.
        samples: every case as it was answered; the videos of the telling ones are embedded first.
        about: what is known beside.
        film: rows of pictures of one window of recordings, (name, frames).
    """
    videos = Videos()
    of: dict[Key, list[Sample]] = {}
    for sample in samples:
        of.setdefault(sample.key, []).append(sample)
    for group in of.values():
        videos.add(telling(group).values())
    videos.add(samples)
    script = _text("page.js")
    parts = groups.splits(results["scores"])
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            results=results,
            own=own.section(results, film) if results.get("own") else None,
            model={**results["card"], **results["model"]},
            lead=lead(results),
            plans={
                "sections": planning.sections(results, about.summaries),
                "tables": planning.tables(results),
                "text": planning.TEXT,
                "scenes": planned_scenes(results, of, videos),
            },
            energies=words.energies(results, reasons=True),
            groups=groups.grouped(results["scores"]),
            splits=parts,
            split_reasons=groups.split_reasons(parts),
            badges=sections.badges(results),
            card=sections.card(results),
            contents=sections.contents(results),
            implied=sections.implied(results.get("implied") or []),
            fidelity=sections.fidelity(results.get("fidelity") or []),
            speed=sections.speed(results.get("speed") or {}),
            anchors=sections.anchors(results),
            not_asked=sections.not_asked(results.get("na") or []),
            probes=probe_sections(results, of, videos, about),
            failures=[s for s in samples if s.failed],
            about=about,
            left_out=videos.left_out,
            scenes=videos.scenes,
            # these two are files of this package and hold no text of a model
            css=Markup(_text("page.css")),
            js=Markup(script),
            policy=POLICY.format(base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()),
            at=plots.at,
        )
    )


def lead(results: Mapping[str, Any]) -> str:
    """Return the sentences that open a report, of whatever was asked."""
    if results.get("own"):
        return own.lead(results)
    plans = planning.lead(results) if results.get("planning") else ""
    if plans and not results["scores"]:
        return plans
    return f"{words.lead(results)} {plans}".strip()


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("wmeval.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": words.number,
        "percent": words.percent,
        "range": words.interval,
        "fact": words.fact,
        "anchor": anchor,
        "short": lambda key: re.sub(r"@.*", "", key),
        "references": sections.references,
        "sentence": lambda text: f"{text[:1].upper()}{text[1:]}." if text else "",
    }
    environment.globals["plots"] = plots
    return environment


def _text(name: str) -> str:
    return (files("wmeval.report") / name).read_text(encoding="utf-8")
