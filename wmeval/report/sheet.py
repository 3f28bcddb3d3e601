"""A picture of its own: an SVG file in the manner of the report, light or dark as its reader likes it.

Text is text and positions are pixels; every string is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup

STYLE = """
svg{--paper:#fdfdfb;--ink:#1c2127;--soft:#5a616b;--rule:#e3e2dc;--model:#0a5ea8;--mark:#7b818a;--bad:#b1261c;
--c0:#0a5ea8;--c1:#b4561a;--c2:#2f7d4f;--c3:#8a3f8f;--c4:#8a6d1f;--c5:#3b4a9a;background:var(--paper)}
@media(prefers-color-scheme:dark){svg{--paper:#14161a;--ink:#e7e5e0;--soft:#a2a8b1;--rule:#2e3238;
--model:#74b4f5;--mark:#8d949e;--bad:#ff8b80;--c0:#74b4f5;--c1:#f0a06a;--c2:#7fd0a0;--c3:#d79adb;--c4:#d5b860;
--c5:#a5b0f5}}
text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","Liberation Sans",sans-serif;
fill:var(--ink);font-variant-numeric:tabular-nums}
.t{font:600 17px Charter,"Bitstream Charter",Cambria,Georgia,serif}.h{font-weight:600}.s{fill:var(--soft)}
.m{fill:var(--soft);font-size:11px}.e{text-anchor:end}.c{text-anchor:middle}.own{fill:var(--model);font-weight:600}
.g{stroke:var(--rule)}.z{stroke:var(--mark);stroke-dasharray:3 3}.r{stroke:var(--mark);stroke-width:3;
stroke-linecap:round;opacity:.45}.p{fill:var(--mark);stroke:var(--paper);stroke-width:1.5}
.own.r,.own .r{stroke:var(--model);opacity:.55;fill:none}.own .p{fill:var(--model)}.own text{
fill:var(--model);font-weight:600}.k{fill:var(--model);opacity:.45}.o{stroke:var(--mark);stroke-width:1.4;opacity:.55}
"""


def sheet(width: int, height: int, words: str, marks: Iterable[Markup]) -> Markup:
    """Return a whole SVG document of a size [px]; `words` say what it shows."""
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}" role="img" '
        'aria-label="{words}"><title>{words}</title><style>{style}</style>'
        '<rect width="{w}" height="{h}" fill="var(--paper)"/>{marks}</svg>\n'
    ).format(w=width, h=height, words=words, style=Markup(STYLE), marks=Markup("").join(marks))


def text(x: float, y: float, said: str, kind: str = "") -> Markup:
    """Return words whose baseline begins (or ends, or has its middle: kinds e and c) at a point."""
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}">{}</text>').format(kind, x, y, said)


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    """Return a straight line."""
    form = '<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>'
    return Markup(form).format(kind, x1, y1, x2, y2)


def dot(x: float, y: float, radius: float, kind: str, title: str = "") -> Markup:
    """Return a disc, told by a title where there is one."""
    told = Markup("<title>{}</title>").format(title) if title else Markup("")
    form = '<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="{:g}">{}</circle>'
    return Markup(form).format(kind, x, y, radius, told)


def group(marks: Sequence[Markup], kind: str) -> Markup:
    """Return marks as one group."""
    return Markup('<g class="{}">{}</g>').format(kind, Markup("").join(marks))
