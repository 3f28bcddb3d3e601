"""A board of MADE-UP models, which nobody measured: names, numbers and pictures are drawn at random.

Nothing of it is ever shipped or published. It exists so that pages can be tested before, and beyond what, any
real submission shows: ties, classes, tiers, missing numbers, withdrawn entries, script in every text.
"""

import dataclasses
import importlib.util
import sys
from pathlib import Path

import numpy as np

from wmeval_leaderboard import media, tables
from wmeval_leaderboard.blobs import Blobs
from wmeval_leaderboard.database import open_database, writing
from wmeval_leaderboard.ledger import record
from wmeval_leaderboard.settings import Settings


def _beside(name):
    # these tests are no package, so that files beside one another are found by path
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"looking_{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


rows = _beside("rows")
CLASSES, EVIL, PROBES, TASKS = rows.CLASSES, rows.EVIL, rows.PROBES, rows.TASKS
card, fidelity_row, motion_sample = rows.card, rows.fidelity_row, rows.motion_sample
plan_row, score_row, sha = rows.plan_row, rows.score_row, rows.sha


@dataclasses.dataclass
class MadeUp:
    """Writes made-up rows into a real database."""

    engine: object
    blobs: Blobs
    settings: Settings

    def season(self, name="made-up-2026", suite="made-up@0.1", **more):
        with writing(self.engine) as s:
            given = {
                "versions": {"wmeval": "0.1.0"},
                "commitment": sha(name),
                "sealed": b"SEALED-SECRET",
                "secret": None,
                "opens": 1.7e9,
                "closes": None,
            }
            s.add(tables.Season(name=name, suite=suite, **{**given, **more}))
            record(s, "season opened", name, {"suite": suite, "commitment": sha(name)})
        return name

    def team(self, name):
        with writing(self.engine) as s:
            team = tables.Team(name=name, created=1.7e9)
            s.add(team)
            s.flush()
            s.add(tables.PublicKey(team_id=team.id, key=sha(name), created=1.7e9))
        return name

    def model(
        self,
        season,
        team,
        name,
        level,
        *,
        classes=CLASSES[0],
        family=None,
        tier="re-scored",
        state="published",
        probes=PROBES,
        tags=("iid", "ood-speed"),
        samples=0,
        plans=True,
        reference=False,
        seed=0,
        reason="",
        surprise=True,
        metrics=True,
        kind="run",
        gap=None,
        at=1.71e9,
        parameters=1_000_000,
    ):
        """Store one made-up model with one made-up submission, whose skills lie about `level`."""
        from sqlalchemy import select

        rng = np.random.default_rng([seed, int(sha(name)[:8], 16)])
        source = dict(zip(tables.TIERS, ("reported", "rescored", "challenged", "verified"), strict=True))[
            tier
        ]
        slug = f"{sha((team, name, seed))[:10]}"
        facts = card(name, family or name, classes, parameters)
        about = {
            "model": {"name": name, "version": "0.1", "weights": sha(name), "options": {}},
            "card": facts,
            "suite": "made-up@0.1",
            "speed": {"frames_per_s": float(5 + 90 * rng.random()), "ms_per_frame": 12.0},
            "machine": "made up",
        }
        with writing(self.engine) as s:
            team_row = s.scalars(select(tables.Team).where(tables.Team.name == team)).one()
            season_row = s.scalars(select(tables.Season).where(tables.Season.name == season)).one()
            key = s.scalars(select(tables.PublicKey).where(tables.PublicKey.team_id == team_row.id)).first()
            model = s.scalars(
                select(tables.Model).where(tables.Model.slug == f"m-{sha((team, name))[:8]}")
            ).first()
            if model is None:
                model = tables.Model(
                    team_id=team_row.id,
                    slug=f"m-{sha((team, name))[:8]}",
                    name=name,
                    family=family or name,
                    identity=sha((team, name)),
                    card=facts,
                    reference=reference,
                )
                s.add(model)
                s.flush()
            submission = tables.Submission(
                slug=slug,
                team_id=team_row.id,
                model_id=model.id,
                season_id=season_row.id,
                kind=kind,
                suite=season_row.suite,
                tier=tier,
                state=state,
                reason=reason,
                root=sha(slug),
                signature=sha(slug) * 2,
                key_id=key.id,
                about=about,
                classes=list(classes),
                gap=gap,
                created=at,
                published=at + 60,
                withdrawn=at + 90 if state == "withdrawn" else None,
            )
            s.add(submission)
            s.flush()

            def put(section, name, instrument, tag, row, cases=None, *, of=source):
                value = row.get("skill", row.get("value"))
                s.add(
                    tables.Score(
                        submission_id=submission.id,
                        source=of,
                        section=section,
                        name=name,
                        instrument=instrument,
                        tag=tag,
                        value=value,
                        lo=row["lo"],
                        hi=row["hi"],
                        n=row["n"],
                        row=row,
                        cases=cases or {},
                    )
                )

            for i, probe in enumerate(probes):
                shift = float(rng.normal(0, 0.12))
                for tag in (*tags, "control"):
                    skill = level + shift - (0.1 if tag.startswith("ood") else 0)
                    row, cases = score_row(rng, probe, "rollout", tag, 0.05 if tag == "control" else skill)
                    put("scores", probe, "rollout", tag, row, cases)
                    if tier != "self-reported" and tag == "iid":
                        put(
                            "scores",
                            probe,
                            "rollout",
                            tag,
                            {**row, "skill": min(1.0, (row["skill"] or 0) + 0.02)},
                            of="reported",
                        )
                if surprise:
                    row, cases = score_row(
                        rng, probe, "surprise", "iid", level, matching=("matched", "pairs")[i % 2]
                    )
                    put("scores", probe, "surprise", "iid", row, cases)
            for metric, unit, better, value in (
                ("lpips", "", "lower", 0.4 - 0.3 * level),
                ("psnr", "dB", "higher", 18 + 12 * level),
                ("body-psnr", "dB", "higher", 9 + 8 * level),
            ):
                row = fidelity_row(rng, metric, unit, better, value * (1 + 0.03 * rng.normal()))
                if metrics:
                    put("fidelity", metric, "rollout", "iid", row)
            if plans:
                for task in TASKS:
                    skill = float(np.clip(level + rng.normal(0, 0.15), 0, 1))
                    put("planning", task, "choose", "iid", plan_row(task, "choose", skill))
                    put("planning", task, "control", "iid", plan_row(task, "control", skill * 0.8, 64))
            row = {
                "probe": "gravity@0.1",
                "instrument": "rollout",
                "tag": "iid",
                "name": "g m/s2",
                "value": 9.8 * level,
                "lo": 9 * level,
                "hi": 10.5 * level,
                "n": 20,
                "reason": "",
            }
            put("implied", "gravity@0.1", "rollout", "iid", row)
            for i in range(samples):
                case = sha(f"case {i}")
                made = motion_sample(rng, "gravity@0.1", case, (1 - level) * (0.3 + 0.3 * i))
                digests = {k: self.blobs.put(v) for k, v in media.evidence(made).items()}
                for digest in digests.values():
                    if s.get(tables.Blob, digest) is None:
                        s.add(tables.Blob(digest=digest, size=1, created=at))
                        s.flush()
                s.add(
                    tables.Sample(
                        submission_id=submission.id,
                        name="gravity@0.1",
                        instrument="rollout",
                        tag="iid",
                        case_id=case,
                        position=("best", "median", "worst", "drawn")[i % 4],
                        error=made.error,
                        media=digests,
                        about={
                            "status": "ok",
                            "event": 1.0,
                            "caption": f"A made-up ball falls. {EVIL}",
                            "evidence": {"g": {"value": 7.1}},
                            "unit": "relative error of g",
                            "reproduce": "wmeval run --model made-up --probe gravity --limit 1",
                        },
                    )
                )
            record(s, state, slug, {"tier": tier, "model": name, "team": team})
        return slug


def at(folder):
    settings = Settings.in_folder(folder)
    return MadeUp(open_database(settings.url), Blobs(settings.files), settings)


def fill(made_up):
    """Fill a board with made-up models of three classes: ties, tiers, missing numbers, one withdrawn."""
    season = made_up.season()
    for team in ("made-up lab", "no such group", EVIL):
        made_up.team(team)
    put = made_up.model
    put(
        season,
        "made-up lab",
        "Aurora-M (made up)",
        0.78,
        family="aurora",
        tier="verified",
        samples=4,
        gap=0.01,
    )
    put(
        season,
        "made-up lab",
        "Aurora-S (made up)",
        0.74,
        family="aurora",
        samples=4,
        tier="challenged",
        gap=0.03,
        parameters=400_000,
    )
    put(
        season,
        "made-up lab",
        "Aurora-XS (made up)",
        0.52,
        family="aurora",
        tier="re-scored",
        parameters=90_000,
    )
    put(season, "no such group", "Basalt (made up)", 0.55, family="basalt", tier="re-scored", samples=4)
    put(season, "no such group", "Cirrus (made up)", 0.5, family="cirrus", tier="self-reported")
    put(season, "no such group", "Delta (made up)", 0.22, family="delta", tier="re-scored", probes=PROBES[:4])
    put(season, EVIL, f"Evil {EVIL}", 0.3, family=f"evil {EVIL}", tier="re-scored")
    put(
        season,
        "no such group",
        "Fjord (made up)",
        0.44,
        classes=CLASSES[1],
        family="fjord",
        plans=False,
        parameters=1_300_000_000,
    )
    put(season, "made-up lab", "Gneiss (made up)", 0.35, classes=CLASSES[1], family="gneiss", surprise=False)
    put(season, "made-up lab", "Halo (made up)", 0.6, classes=CLASSES[2], family="halo", tier="self-reported")
    put(
        season,
        "no such group",
        "Basalt (made up)",
        0.4,
        family="basalt",
        state="withdrawn",
        seed=1,
        reason="the weights were trained on evaluation scenes",
        at=1.705e9,
    )
    return season


def many(made_up, count, probes=20):
    """Fill a board with as many made-up models of as many probes, each number of one case file's size."""
    season = made_up.season()
    made_up.team("made-up lab")
    rng = np.random.default_rng(0)
    names = [f"probe{i:02d}@0.1" for i in range(probes)]
    with writing(made_up.engine) as s:
        for i in range(count):
            classes = CLASSES[i % 3]
            facts = card(f"Made-up model {i}", f"family {i // 4}", classes)
            model = tables.Model(
                team_id=1, slug=f"m-{i}", name=facts["name"], family=facts["family"], identity=sha(i),
                card=facts,
            )  # fmt: skip
            s.add(model)
            s.flush()
            submission = tables.Submission(
                slug=f"s-{i}", team_id=1, model_id=model.id, season_id=1, kind="run", suite="made-up@0.1",
                tier="re-scored", state="published", root=sha(i), signature=sha(i) * 2, key_id=1,
                about={"speed": {"frames_per_s": 50.0}}, classes=list(classes), created=1.71e9,
                published=1.71e9,
            )  # fmt: skip
            s.add(submission)
            s.flush()
            level = rng.random()
            for probe in names:
                row, cases = score_row(rng, probe, "rollout", "iid", level + 0.1 * rng.normal())
                s.add(tables.Score(
                    submission_id=submission.id, source="rescored", section="scores", name=probe,
                    instrument="rollout", tag="iid", value=row["skill"], lo=row["lo"], hi=row["hi"],
                    n=row["n"], row=row, cases=cases,
                ))  # fmt: skip
        record(s, "published", "many", {"count": count})
    return season
