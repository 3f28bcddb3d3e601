"""The page on a checked probe: what was found, what lazy references reach, which violations are seen.

The same sentences and numbers as text for a terminal and as Markdown for a file.
"""

from __future__ import annotations

import math

from wmeval.calibration import Grade, sorted_curve
from wmeval.check import Findings
from wmeval.check_adapter import Finding

WIDE = 24  # characters of a full bar


def text(found: Findings) -> list[tuple[bool | None, str]]:
    """Return the lines of the page: (ok, line), with ok None where a line is no finding."""
    lines: list[tuple[bool | None, str]] = [(None, title(found)), (None, "")]
    lines += [(f.ok, sentence(f)) for f in found.findings]
    if found.references:
        lines += [(None, ""), (None, f"{'reference':12}{'skill':>8}{'error':>10}{'event':>8}{'found':>8}")]
        lines += [
            (
                None,
                f"{name:12}{_n(r['skill'], 3):>8}{r['error']:>10.3g}{_n(r['event']):>8}{_n(r['found']):>8}",
            )
            for name, r in found.references.items()
        ]
    if found.calibration is not None:
        unit = found.strength_unit
        lines += [(None, ""), (None, f"violation, {unit}" if unit else "violation")]
        lines.append((None, f"{'strength':>12}  {'detected':{WIDE + 6}}{'AUROC':>6}{'error':>10}"))
        lines += [(None, _bar(g, found.must_see)) for g in sorted_curve(found.calibration.curve)]
    return [*lines, (None, ""), (found.ok, found.verdict)]


def markdown(found: Findings) -> str:
    """Return the page as Markdown."""
    lines = [f"# {title(found)}", "", f"**{_safe(found.verdict)}**", ""]
    lines += ["| check | | what was found |", "|---|---|---|"]
    lines += [f"| {f.name} | {'ok' if f.ok else '**wrong**'} | {_safe(f.sentence)} |" for f in found.findings]
    if found.references:
        lines += ["", "| reference | skill | error | event | found |", "|---|---:|---:|---:|---:|"]
        lines += [
            f"| {name} | {_n(r['skill'], 3)} | {r['error']:.3g} | {_n(r['event'])} | {_n(r['found'])} |"
            for name, r in found.references.items()
        ]
    if found.calibration is not None:
        lines += ["", f"| strength, {_safe(found.strength_unit)} | detected | AUROC | mean error |"]
        lines += ["|---:|---:|---:|---:|"]
        lines += [
            f"| {g.strength:g}{' (must be seen)' if g.strength == found.must_see else ''} | {g.detected:.2f} "
            f"| {g.auroc:.3f} | {g.error:.3g} |"
            for g in sorted_curve(found.calibration.curve)
        ]
    return "\n".join([*lines, ""])


def title(found: Findings) -> str:
    """Return which probe was checked on what."""
    made = found.calibration
    if made is None:
        return found.probe
    view = made.anchor.view
    return (
        f"{found.probe} on {made.anchor.tag}: {view.width} x {view.height} px at {view.fps:g} fps, "
        f"{made.anchor.n} development scenes and {made.tested} others"
    )


def sentence(finding: Finding) -> str:
    """Return a finding as a line without its mark."""
    return f"{finding.name:28} {'' if finding.sentence == 'ok' else finding.sentence}".rstrip()


def _bar(grade: Grade, must_see: float | None) -> str:
    full = round(grade.detected * WIDE)
    mark = "  must be seen" if grade.strength == must_see else ""
    return (
        f"{grade.strength:>12g}  {'#' * full}{'.' * (WIDE - full)}{grade.detected:>5.2f} {grade.auroc:>6.3f}"
        f"{grade.error:>10.3g}{mark}"
    )


def _n(value: float, digits: int = 2) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def _safe(text: str) -> str:
    """Return text that neither ends a table's cell nor starts markup."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
