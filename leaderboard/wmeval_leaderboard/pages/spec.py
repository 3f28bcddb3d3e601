"""The plot of fidelity against utility as a Vega-Lite specification: drawn here as SVG, and by the browser.

Colours are names of the page's style, so that light and dark are the reader's choice and not the plot's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from json import dumps
from typing import Any
from xml.etree import ElementTree

from markupsafe import Markup

from wmeval_leaderboard.board.relations import Point
from wmeval_leaderboard.pages.links import Links

COLOURS = 6
SHAPES = ("circle", "square", "triangle-up", "cross", "triangle-down")  # one a class
ELSEWHERE = "https://vega.github.io/vega-datasets/"
MARKS = {"svg", "g", "path", "line", "rect", "text", "tspan", "a", "defs", "clipPath", "title", "circle"}
LABELLED = 24  # points; of more only those of the front have their name beside them


def spec(points: Sequence[Point], links: Links, x: str, y: str) -> dict[str, Any]:
    """Return the plot of points: 95 % intervals as crosses, the front as a line, a colour for each family."""
    families = list(dict.fromkeys(p.entry.family for p in points if not p.entry.reference))
    classes = sorted({p.entry.classes for p in points if not p.entry.reference})
    better = points[0].x.higher
    rows = [
        {
            "model": p.entry.name, "team": p.entry.team, "tier": p.entry.tier,
            "href": links.to("models", p.entry.model), "family": p.entry.family,
            "colour": _colour(p, families),
            "x": p.x.value, "xlo": p.x.lo, "xhi": p.x.hi, "y": p.y.value, "ylo": p.y.lo, "yhi": p.y.hi,
            "front": p.front, "reference": p.entry.reference, "class": ", ".join(p.entry.classes),
            "shape": "diamond" if p.entry.reference else SHAPES[classes.index(p.entry.classes) % len(SHAPES)],
        }
        for p in points
    ]  # fmt: skip
    ends = [v for r in rows for v in (r["x"], r["xlo"], r["xhi"]) if isinstance(v, float)]
    across = {
        "field": "x", "type": "quantitative", "title": x,
        "scale": {"zero": False, "nice": True, "reverse": not better, "domain": [min(ends), max(ends)]},
    }  # fmt: skip
    up = {"field": "y", "type": "quantitative", "title": y, "scale": {"zero": False, "nice": True}}
    colour = {"field": "colour", "type": "nominal", "scale": None, "legend": None}
    said = [
        {"field": "model"}, {"field": "team"}, {"field": "tier"}, {"field": "class"},
        {"field": "x", "title": x, "format": ".3~g"}, {"field": "y", "title": y, "format": ".2f"},
    ]  # fmt: skip
    cross = {"type": "rule", "strokeWidth": 1.6, "opacity": 0.32}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": 1080, "height": 460, "background": "transparent", "data": {"values": rows},
        "encoding": {"x": across, "y": up},
        "layer": [
            {"transform": [{"filter": "datum.front"}],
             "mark": {"type": "line", "stroke": "var(--ink)", "strokeDash": [2, 4], "opacity": 0.45},
             "encoding": {"order": {"field": "x", "type": "quantitative"}, "detail": {"field": "class"}}},
            {"transform": [{"filter": "isValid(datum.xlo)"}], "mark": cross,
             "encoding": {"x": {**across, "field": "xlo"}, "x2": {"field": "xhi"}, "color": colour}},
            {"transform": [{"filter": "isValid(datum.ylo)"}], "mark": cross,
             "encoding": {"y": {**up, "field": "ylo"}, "y2": {"field": "yhi"}, "color": colour}},
            {"mark": {"type": "point", "filled": True, "size": 100, "stroke": "var(--paper)",
                      "strokeWidth": 1.4, "opacity": 1},
             "encoding": {"color": colour, "href": {"field": "href"}, "tooltip": said,
                          "shape": {"field": "shape", "type": "nominal", "scale": None, "legend": None}}},
            {"transform": [] if len(points) <= LABELLED else [{"filter": "datum.front"}],
             "mark": {"type": "text", "align": "left", "dx": 9, "dy": -9, "fontSize": 11.5, "limit": 170,
                      "fill": "var(--ink)"},
             "encoding": {"text": {"field": "model"}, "href": {"field": "href"}, "tooltip": said}},
        ],
        "config": {
            "font": "system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Liberation Sans, sans-serif",
            "view": {"stroke": None},
            "axis": {"labelColor": "var(--soft)", "titleColor": "var(--ink)", "domainColor": "var(--mark)",
                     "tickColor": "var(--mark)", "gridColor": "var(--rule)", "titleFontWeight": 600,
                     "titleFontSize": 12.5, "labelFontSize": 11.5, "titlePadding": 12, "tickCount": 6},
        },
    }  # fmt: skip


def _colour(point: Point, families: Sequence[str]) -> str:
    return (
        "var(--mark)" if point.entry.reference else f"var(--c{families.index(point.entry.family) % COLOURS})"
    )


def drawn(plot: dict[str, Any]) -> Markup:
    """Return a plot as SVG that stands in the page."""
    return _svg(dumps(plot, sort_keys=True))


@lru_cache(maxsize=256)
def _svg(plot: str) -> Markup:
    import vl_convert

    root = ElementTree.fromstring(vl_convert.vegalite_to_svg(plot, allowed_base_urls=[]))
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        for name in list(element.attrib):
            value = element.attrib.pop(name)
            bare = name.rpartition("}")[2]
            if bare == "href":
                # it resolves our addresses against a host of its own, which no page may name
                element.attrib[bare] = value.removeprefix(ELSEWHERE)
            elif bare not in ("style", "target") and not bare.startswith("on"):
                element.attrib[bare] = value
    if found := {element.tag for element in root.iter()} - MARKS:
        raise ValueError(f"the plot holds {', '.join(sorted(found))}, which no plot of ours has")
    # written anew from its tree, so that whatever text it holds is escaped
    return Markup(ElementTree.tostring(root, encoding="unicode"))
