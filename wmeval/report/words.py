"""Numbers and verdicts as a person reads them: never more digits than are known, never a number for null."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from wmeval.anchor import LAZY_SKILL

NONE = "–"
MANY = 8  # scores; of more no sentence lists which are not above chance


def number(value: Any, digits: int = 3) -> str:
    """Return a number with so many significant digits; null and NaN are a dash.

    A Mapping stands for its skill.

    >>> number(0.12345), number(None), number(12345.6), number(0.5, 2), number(3), number(-1e-5)
    ('0.123', '–', '12346', '0.50', '3', '0.000')
    >>> number(0.999, 2), number(1.0, 2)
    ('1.0', '1.0')
    """
    value = value.get("skill") if isinstance(value, Mapping) else value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return NONE
    if isinstance(value, int):
        return str(value)
    rounded = float(f"{value:.{digits - 1}e}")  # .999 is written as 1 is
    size = math.floor(math.log10(abs(rounded))) if abs(value) > 1e-9 else -1
    told = f"{value:.{max(0, digits - 1 - max(size, -1))}f}"
    return told.replace("-", "−" if float(told) else "")


def percent(value: Any) -> str:
    """Return a share as whole per cent.

    >>> percent(0.514).split(), percent(None)
    (['51', '%'], '–')
    """
    if not isinstance(value, int | float) or not math.isfinite(value):
        return NONE
    return f"{100 * value:.0f}\u00a0%"


def interval(score: Mapping[str, Any], digits: int = 2) -> str:
    """Return the 95 % interval of a score, or a dash where there is none.

    >>> interval({"lo": 0.1, "hi": 0.25})
    '0.10 to 0.25'
    """
    if score.get("lo") is None or score.get("hi") is None:
        return NONE
    return f"{number(float(score['lo']), digits)} to {number(float(score['hi']), digits)}"


def fact(value: Any) -> str:
    """Return any JSON value in at most 160 characters.

    >>> fact({"value": 7.1234, "sigma": 0.31}), fact([1, 2.5]), fact(True), fact("seen")
    ('value 7.12, sigma 0.310', '1, 2.50', 'yes', 'seen')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or isinstance(value, int | float):
        return number(value)
    if isinstance(value, str):
        text = value
    elif isinstance(value, Mapping):
        text = ", ".join(f"{k} {fact(v)}" for k, v in value.items())
    elif isinstance(value, list | tuple):
        text = ", ".join(fact(v) for v in value)
    else:
        text = json.dumps(value, default=str)
    return text if len(text) <= 160 else text[:159] + "…"


def verdict(score: Mapping[str, Any]) -> str:
    """Return what a score says, in a sentence that its interval supports.

    >>> verdict({"skill": 0.4, "lo": 0.3, "hi": 0.5, "n": 16, "ceiling": 0.05, "null": 1.0})
    'Skill 0.40: better than the null, and told apart from the truth.'
    """
    skill, lo, hi = score.get("skill"), score.get("lo"), score.get("hi")
    if score.get("alarms") is not None:
        scenes = f"{score.get('n')} scenes in which there is nothing to get wrong"
        return f"False alarms in {percent(score['alarms'])} of {scenes}."
    if skill is None:
        return f"No skill: {score.get('reason') or 'nothing was measured'}."
    says = f"Skill {number(float(skill), 2)}"
    if score.get("accuracy") is not None:
        won = f"the impossible clip is the more surprising one in {percent(score['accuracy'])} of comparisons"
        says += f", {won}"
    if lo is None or hi is None:
        return f"{says} over {score.get('n')} cases: {score.get('reason') or 'too few for an interval'}."
    floor = knowing_nothing(score)
    if score.get("accuracy") is not None:
        rival = "cheap cues" if floor > LAZY_SKILL else "chance"
        return f"{says}: {'above' if lo > floor else 'not told apart from'} {rival}."
    if lo > LAZY_SKILL:
        return f"{says}: better than the null, and {'' if hi < 1 else 'not '}told apart from the truth."
    if hi <= LAZY_SKILL:
        return f"{says}: no better than the null, which knows nothing."
    return f"{says}: not told apart from the null; lazy models may score {LAZY_SKILL}."


def knowing_nothing(score: Mapping[str, Any]) -> float:
    """Return the skill that shows nothing of the concept: of lazy models, or of cheap cues on pairs.

    >>> knowing_nothing({"matching": "pairs", "rows": {"copy-last": {"skill": 0.4}}})
    0.4
    """
    cues = (score.get("rows") or {}).values() if score.get("matching") == "pairs" else ()
    return max([LAZY_SKILL, *(float(c["skill"]) for c in cues if c.get("skill") is not None)])


def lead(results: Mapping[str, Any]) -> str:
    """Return the sentences that open a report: what was asked, what was told apart from knowing nothing."""
    scores = [s for s in results["scores"] if s.get("lo") is not None and s["tag"] != "control"]
    if len(scores) > MANY:
        return _counted(results, scores)
    above = [_asked(s) for s in scores if s["lo"] > knowing_nothing(s)]
    level = [_asked(s) for s in scores if s["lo"] <= knowing_nothing(s)]
    opening = _opening(results)
    if not scores:
        return opening + "There are too few cases for an interval, so nothing is told apart from chance."
    if not above:
        return opening + f"It is not told apart from a model that knows nothing on {_listed(level)}."
    tail = f" and not on {_listed(level)}" if level else ""
    return opening + f"It does better than a model that knows nothing on {_listed(above)}{tail}."


def _opening(results: Mapping[str, Any]) -> str:
    name, total = results["model"]["name"], len({s["probe"] for s in results["scores"]})
    return f"{name} was asked {total} question{'s' * (total != 1)} of {results['suite']}. "


def _counted(results: Mapping[str, Any], scores: Sequence[Mapping[str, Any]]) -> str:
    """Return, of more scores than a sentence holds, on how many of each way of asking more is known."""
    ways: dict[str, list[Mapping[str, Any]]] = {}
    for s in scores:
        way = f"by {s['instrument']}" + (f" on {s['tag']} scenes" if s["tag"] != "iid" else "")
        ways.setdefault(way, []).append(s)
    told = []
    for way, of in ways.items():
        above = [str(s["probe"]).partition("@")[0] for s in of if s["lo"] > knowing_nothing(s)]
        told.append(f"{way} {len(above)} of {len(of)}" + (f" ({', '.join(above)})" if above else ""))
    return _opening(results) + f"It does better than a model that knows nothing on: {'; '.join(told)}."


def energies(results: Mapping[str, Any], *, reasons: bool = False) -> str:
    """Return what several continuations of each case say together, or nothing where there were too few.

    With `reasons` also why a score has none, each reason once.

    >>> row = {"probe": "gravity@0.1", "energy": 0.42, "energy_lo": 0.3, "energy_hi": 0.6}
    >>> energies({"scores": [row]})
    'Energy score of the replicates, in body sizes, less is better: gravity 0.42 (0.30 to 0.60).'
    >>> energies({"scores": [{"energy": None, "energy_reason": "too few"}]}, reasons=True)
    'No energy score of the replicates: too few.'
    """
    told: list[str] = []
    why: dict[str, None] = {}
    for score in results["scores"]:
        if score.get("energy") is not None:
            between = interval({"lo": score.get("energy_lo"), "hi": score.get("energy_hi")})
            told.append(f"{_asked(score)} {number(float(score['energy']), 2)} ({between})")
        elif score.get("energy_reason"):
            why[str(score["energy_reason"])] = None
    opening = "Energy score of the replicates, in body sizes, less is better: "
    said = [f"{opening}{', '.join(told)}."] if told else []
    if reasons and why:
        said.append(f"No energy score of {'others' if told else 'the replicates'}: {'; '.join(why)}.")
    return " ".join(said)


def _asked(score: Mapping[str, Any]) -> str:
    name = str(score["probe"]).partition("@")[0]
    extra = [x for x in (score.get("instrument"), score.get("tag")) if x not in (None, "rollout", "iid")]
    return f"{name} ({', '.join(extra)})" if extra else name


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
