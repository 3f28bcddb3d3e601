"""Recorded packs from end to end: exported, answered by the truth, by freezing and badly, and scored."""

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import wmeval
from wmeval import registry
from wmeval.cli.main import main
from wmeval.errors import EnvironmentFault, UsageError
from wmeval.measure.cues import BASELINES
from wmeval.pack import layout
from wmeval.pack.answers import look, read
from wmeval.pack.checked import check
from wmeval.pack.export import export
from wmeval.pack.layout import question_id
from wmeval.pack.picture import write_mp4, write_pngs
from wmeval.pack.place import psnr
from wmeval.pack.settings import Settings
from wmeval.pack.settle import settle
from wmeval.run import problems
from wmeval.run.plan import draw
from wmeval.run.truths import truth_of
from wmeval.world import frame_split, observe, render

SUITE = """
from wmeval.suite import Suite
from wmeval_probes.suites.quick import SUITE as QUICK

SUITE = Suite("tiny", "0.1", ("gravity",), (), 4, instruments=("rollout", "surprise"), anchors=QUICK.anchors)
"""
SIZE, LIMIT = 128, 4


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    path = tmp_path_factory.mktemp("suite") / "tiny.py"
    path.write_text(SUITE)
    return str(path)


@pytest.fixture(scope="module")
def exported(suite, tmp_path_factory):
    """Return a pack without answers."""
    return export(suite, tmp_path_factory.mktemp("packs") / "pack", size=SIZE)


@pytest.fixture(scope="module")
def truths(exported):
    """Return question id -> its truth, for whoever answers as the truth would."""
    probe, made = registry.load_probe("gravity"), {}
    for i in range(LIMIT):
        truth = truth_of(draw(probe, "iid", i).arms["main"], probe.futures)
        made[question_id(exported.salt, observe(truth, exported.view, probe.horizon_s))] = truth
    assert set(made) == set(exported.questions)
    return made


@pytest.fixture
def pack(exported, tmp_path):
    """Return a copy of the pack to put answers into."""
    shutil.copytree(exported.folder, tmp_path / "pack")
    return layout.read(tmp_path / "pack")


def frames(pack, truth, start=1, fps=10.0, size=SIZE):
    """Return frames of a truth from `start` frames after the cut on (0 = the last context frame)."""
    view = replace(pack.view, height=size, width=size)
    context, ahead = frame_split(truth.scene, view, registry.load_probe("gravity").horizon_s)
    first, last = len(context) - 1 + start, len(context) + len(ahead) - 1
    times = np.arange(round((last - first) / 10 * fps) + 1) / fps + first / 10
    return render(truth, view, times).frames


def scored(pack, suite, out, instrument="rollout", **options):
    """Return the row of gravity of a run on a pack."""
    given = {"folder": str(pack.folder), **options}
    made = wmeval.run(
        "recorded", suite, instruments=[instrument], options=given, executor="inline", out=out
    )  # fmt: skip
    return made, made.results["scores"][0]


def test_a_pack_holds_what_a_model_may_see_and_nothing_else(exported):
    told = "".join(p.read_text() for p in exported.folder.rglob("*") if p.suffix in (".json", ".csv", ".txt"))
    probe = registry.load_probe("gravity")
    for i in range(LIMIT):
        case = draw(probe, "iid", i)
        assert case.case_id[:12] not in told
        assert all(s.digest[:12] not in told for s in case.arms.values())
    for secret in ('gravity"', "iid", "hidden", 'velocity":', "position"):
        assert secret not in told, f"{secret} stands in the pack"
    one = next(iter(exported.questions.values()))
    folder = exported.folder / "questions" / one.id
    about = json.loads((folder / "question.json").read_text())
    assert len(list((folder / "context").glob("*.png"))) == about["context_frames"] == one.shown
    with (folder / "actions.csv").open() as file:
        assert len(list(csv.DictReader(file))) == one.shown - 1 + one.horizon
    with (exported.folder / "questions.csv").open() as file:
        listed = list(csv.DictReader(file))
    assert [r["answer"] for r in listed] == [f"answers/{q}.mp4" for q in exported.questions]
    assert len(exported.clips) == 4 * LIMIT
    assert (exported.folder / "surprise-to-fill.csv").read_text().count("\n") == 1 + sum(
        c.frames for c in exported.clips.values()
    )


def test_another_pack_of_the_same_questions_has_other_ids(exported, suite, tmp_path):
    other = export(suite, tmp_path / "other", limit=1, size=64, instruments=["rollout"])
    assert not set(other.questions) & set(exported.questions)
    with pytest.raises(UsageError, match="holds a pack of other questions"):
        export(suite, tmp_path / "other", limit=2, size=64)
    assert export(suite, tmp_path / "other", limit=1, size=64, instruments=["rollout"]).salt == other.salt


def test_an_export_that_was_stopped_goes_on(exported, suite, tmp_path):
    class Stopped(Exception):
        pass

    def stop(done, total):
        if done == 2:
            raise Stopped

    asked = {"size": 64, "instruments": ["rollout"]}
    with pytest.raises(Stopped):
        export(suite, tmp_path / "pack", progress=stop, **asked)
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "pack" / "questions").iterdir()}
    pack = export(suite, tmp_path / "pack", **asked)
    assert len(before) == 2
    assert set(before) < set(pack.questions)
    assert check(pack, Settings()).counts == {"missing": LIMIT}
    assert not [p for p in pack.folder.rglob("*") if "part" in p.name or p.name.startswith(".")]


def test_the_truth_as_videos_scores_as_the_truth_and_anew_when_one_is_gone(pack, truths, suite, tmp_path):
    for name, truth in truths.items():
        write_mp4(pack.answers / f"{name}.mp4", frames(pack, truth), 10)
    run, row = scored(pack, suite, tmp_path / "run", name="the truth", context="clip")
    assert row["skill"] > 0.95
    assert row["failed"] == 0
    assert run.manifest["card"]["name"] == "recorded: the truth"
    assert run.manifest["card"]["classes"] == ["clip", "not stated"]
    oracle = wmeval.run("oracle", suite, instruments=["rollout"], executor="inline", out=tmp_path / "oracle")
    assert row["error"] == pytest.approx(oracle.results["scores"][0]["error"], abs=0.02)
    (pack.answers / f"{min(truths)}.mp4").unlink()
    _, after = scored(pack, suite, tmp_path / "run", name="the truth", context="clip")
    assert after["failed"] == 1


@pytest.mark.parametrize("start", [0, 1, "all"])
def test_pictures_are_the_frames_that_were_asked_for(pack, truths, start):
    name, truth = min(truths.items())
    question = pack.questions[name]
    write_pngs(pack.answers / name, frames(pack, truth, 1 - question.shown if start == "all" else start))
    found = look(pack, Settings())
    told = read(pack, found[sorted(truths).index(name)], settle(pack, found, Settings()), Settings())
    true = frames(pack, truth).reshape(-1, 64, 2, 64, 2, 3).mean((2, 4))
    assert told.state == "ok"
    assert told.mode == {0: "last", 1: "none", "all": "all"}[start]
    assert told.frames.shape == true.shape == (question.horizon, 64, 64, 3)
    assert np.array_equal(told.frames, np.rint(true))


def test_freezing_scores_as_freezing(pack, suite, tmp_path):
    for name, question in pack.questions.items():
        last = np.asarray(Image.open(pack.folder / "questions" / name / "last.png"))
        write_mp4(pack.answers / f"{name}.mp4", np.repeat(last[None], question.horizon + 1, 0), 10)
    _, row = scored(pack, suite, tmp_path / "run")
    assert row["skill"] == pytest.approx(0, abs=0.05)


def letterboxed(frame):
    out = np.zeros((180, 320, 3), np.uint8)
    out[:, 70:250] = Image.fromarray(frame).resize((180, 180), Image.Resampling.LANCZOS)
    return out


def test_letterboxed_videos_of_20_fps_that_repeat_the_last_context_frame(pack, truths):
    names = sorted(truths)[:2]
    for name in names:
        shown = frames(pack, truths[name], start=0, fps=20)
        write_mp4(pack.answers / f"{name}.mp4", np.stack([letterboxed(f) for f in shown]), 20)
    found = check(pack, Settings())
    assert found.counts == {"ok": 2, "missing": 2}
    assert "the picture at 70,0,180,180 (letterbox" in found.notes[0]
    assert any("every 2nd frame is taken" in note for note in found.notes)
    assert any("2 with the last context frame" in note for note in found.notes)
    answers = look(pack, Settings())
    settled = settle(pack, answers, Settings())
    for one in (a for a in answers if a.name in names):
        true = frames(pack, truths[one.name]).reshape(-1, 64, 2, 64, 2, 3).mean((2, 4))
        assert psnr(read(pack, one, settled, Settings()).frames, true) > 30


def test_all_that_is_wrong_is_told_at_once(pack, truths, capsys):
    names = sorted(truths)
    shown = {name: frames(pack, truths[name]) for name in names}
    write_mp4(pack.answers / f"{names[0]}.mp4", shown[names[0]][:5], 10)
    write_mp4(pack.answers / f"{names[1]}.mp4", shown[names[1]], 8)
    (pack.answers / f"{names[2]}.refused.txt").write_text("No balls, please.\n")
    (pack.answers / "holiday.mp4").write_bytes(b"x")
    found = check(pack, Settings(overlap="none"))
    problems = dict(found.problems)
    assert found.counts == {"short": 1, "bad": 1, "refused": 1, "missing": 1}
    assert "lasts 0.50 s" in problems[names[0]]
    assert "8 frames a second; needed are 10" in problems[names[1]]
    assert names[2] not in problems
    assert f"expected answers/{names[3]}.mp4" in problems[names[3]]
    assert "answers no question" in problems["holiday.mp4"]
    assert main(["check", "pack", str(pack.folder), "--set", "overlap=none", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["answers"] == found.counts


def test_one_file_is_no_answer_to_two_questions(pack, truths):
    names = sorted(truths)
    for name in names[:2]:
        write_mp4(pack.answers / f"{name}.mp4", frames(pack, truths[names[0]]), 10)
    (pack.answers / f"{names[2]}.mp4").write_bytes(b"x")
    write_pngs(pack.answers / names[2], frames(pack, truths[names[2]]))
    problems = dict(check(pack, Settings()).problems)
    assert f"same file as {names[1]}" in problems[names[0]]
    assert f"same file as {names[0]}" in problems[names[1]]
    assert "answer the same question; keep one" in problems[names[2]]


def test_failures_are_counted_and_never_dropped(pack, truths, suite, tmp_path):
    names = sorted(truths)
    write_mp4(pack.answers / f"{names[0]}.mp4", frames(pack, truths[names[0]]), 10)
    write_mp4(pack.answers / f"{names[1]}.mp4", frames(pack, truths[names[1]])[:3], 10)
    (pack.answers / f"{names[2]}.refused.txt").write_text("No balls, please.")
    _, row = scored(pack, suite, tmp_path / "run", overlap="none")
    assert (row["n"], row["failed"]) == (4, 3)
    model = registry.load_model("recorded", options={"folder": str(pack.folder), "overlap": "none"})
    assert model.card.notes[1] == "answers: 2 there, 1 refused, 1 missing"
    probe, states = registry.load_probe("gravity"), set()
    for name, question in pack.questions.items():
        seen = observe(truths[name], pack.view, probe.horizon_s)
        (told,) = model.generate([seen], list(question.seeds))
        states.add(told.status.state)
        assert told.status.state == "ok" or told.status.detail
    assert states == {"ok", "partial", "refused", "failed"}


def test_what_the_pictures_do_not_tell_has_to_be_stated(pack, truths):
    for name, truth in truths.items():
        noise = np.random.default_rng(0).integers(0, 256, (60, 96, 160, 3), dtype=np.uint8)
        noise[0, 0, 0] = len(truth.position) % 251, len(name), names_byte(name)
        np.savez(pack.answers / f"{name}.npz", frames=noise, fps=10.0)
    found = check(pack, Settings())
    assert found.counts == {"bad": LIMIT}
    assert all("--set geometry=" in why for _, why in found.problems)
    assert "cut away" in check(pack, Settings(geometry="crop")).problems[0][1]
    assert check(pack, Settings(geometry="letterbox")).counts == {"ok": LIMIT}
    assert "at least 64 x 64 are needed" in check(pack, Settings(geometry="0,0,40,40")).problems[0][1]


def names_byte(name):
    return int(name[:2], 16)


def test_another_suite_salt_or_seed_is_refused(pack, truths, suite, tmp_path):
    for name, truth in truths.items():
        write_mp4(pack.answers / f"{name}.mp4", frames(pack, truth), 10)
    asked = {"options": {"folder": str(pack.folder)}, "instruments": ["rollout"], "executor": "inline"}
    for i, other in enumerate(({"probes": ["permanence"], "limit": 1}, {"seed": 1})):
        with pytest.raises(EnvironmentFault, match="wmeval run --model recorded"):
            wmeval.run("recorded", suite, out=tmp_path / f"run{i}", **other, **asked)
    manifest = pack.folder / layout.MANIFEST
    told = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**told, "salt": "00" * 16}))
    with pytest.raises(UsageError, match="was changed since it was written"):
        wmeval.run("recorded", suite, out=tmp_path / "run", **asked)
    salted = layout.Pack(**{**vars(pack), "salt": bytes(16)})
    manifest.write_text(json.dumps(salted.to_json()))
    with pytest.raises(EnvironmentFault, match="does not hold a question"):
        wmeval.run("recorded", suite, out=tmp_path / "run", **asked)


def test_surprise_scores_come_back_to_their_clips(pack, suite, tmp_path):
    lines = ["id,frame,surprise"]
    for name in pack.clips:
        pictures = sorted((pack.folder / "clips" / name / "frames").glob("*.png"))
        seen = np.stack([np.asarray(Image.open(p)) for p in pictures])
        told = BASELINES["pixel-difference"](seen)
        lines += [f"{name},{t},{float(v)!r}" for t, v in enumerate(told)]
    (pack.folder / layout.SURPRISE).write_text("\n".join(lines))
    run, row = scored(pack, suite, tmp_path / "run", instrument="surprise")
    assert run.manifest["card"]["capabilities"] == ["scores"]
    assert (row["n"], row["failed"]) == (LIMIT, 0)
    # this cue is scored beside every model, from frames and not from a file
    assert row["error"] == row["rows"]["pixel-difference"]["error"]

    left_out = min(pack.clips)
    (pack.folder / layout.SURPRISE).write_text("\n".join(x for x in lines if not x.startswith(left_out)))
    assert dict(check(pack, Settings()).problems)[left_out] == "surprise.csv says nothing of this clip"
    _, row = scored(pack, suite, tmp_path / "lacking", instrument="surprise")
    assert row["failed"] == 1


def test_without_answers_nothing_is_run(pack, suite, tmp_path):
    with pytest.raises(UsageError, match="holds no answers yet"):
        scored(pack, suite, tmp_path / "none")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "--set folder=PACK"),
        ({"folder": "nowhere"}, "holds no pack.json"),
        ({"geometry": "left"}, "geometry was given as 'left'"),
        ({"geometry": "1,2,0,4"}, "geometry was given as"),
        ({"overlap": "some"}, "overlap was given as 'some'"),
        ({"fps": "-2"}, "fps was given as '-2'"),
        ({"context": "text"}, "context was given as 'text'"),
        ({"training": "a lot"}, "training was given as 'a lot'"),
        ({"name": "x\ny"}, "printable"),
    ],
)
def test_options_that_cannot_be_are_refused(pack, options, sentence):
    (pack.answers / "x.mp4").write_bytes(b"")
    given = options if "folder" in options or not options else {"folder": str(pack.folder), **options}
    with pytest.raises(UsageError, match=sentence):
        registry.load_adapter("recorded").completed(None, given)


def test_a_canvas_and_the_command_line(suite, tmp_path, capsys):
    folder = tmp_path / "pack"
    words = ["export", "--suite", suite, "--instrument", "rollout", "--size", "64"]
    assert main([*words, "--limit", "1", "--canvas", "128x72", "--out", str(folder)]) == 0
    assert "wmeval run --model recorded" in capsys.readouterr().out
    (last,) = folder.glob("questions/*/last.png")
    picture = np.asarray(Image.open(last))
    assert picture.shape == (72, 128, 3)
    assert (picture[:, :32] == 128).all()
    assert "grey bars" in (folder / "README.md").read_text()
    for wrong in (["--canvas", "wide"], ["--canvas", "32x32"], ["--size", "63"], ["--fps", "0"]):
        assert main([*words, *wrong, "--out", str(tmp_path / "x")]) == 2
    assert not (tmp_path / "x").exists()
    assert main(["check", "pack", str(folder)]) == 1
    assert "missing of the answers" in capsys.readouterr().out


def test_choices_of_a_task_are_answered_as_files_too(tmp_path):
    pack = export(
        "planning-quick", tmp_path / "pack", tasks=["push"], instruments=["choose"], limit=1, size=SIZE
    )
    choice = problems.choice(registry.load_task("push"), "iid", 0)
    for scene in (c.scene for c in choice.candidates):
        truth, horizon = truth_of(scene), scene.duration_s - scene.cut_s
        _, ahead = frame_split(scene, pack.view, horizon)
        name = question_id(pack.salt, observe(truth, pack.view, horizon))
        big = render(truth, replace(pack.view, height=SIZE, width=SIZE), ahead).frames
        write_mp4(pack.answers / f"{pack.questions[name].names[0]}.mp4", big, 10)
    assert pack.command().endswith("--suite planning-quick@0.2 --task push --instrument choose --limit 1")
    run = wmeval.run(
        "recorded", "planning-quick", tasks=["push"], instruments=["choose"], limit=1, executor="inline",
        options={"folder": str(pack.folder)}, out=tmp_path / "run",
    )  # fmt: skip
    (row,) = run.results["planning"]
    asked = {"tasks": ["push"], "instruments": ["choose"], "limit": 1, "executor": "inline"}
    (true,) = wmeval.run("oracle", "planning-quick", out=tmp_path / "oracle", **asked).results["planning"]
    assert [row[k] for k in ("task", "read", "n", "failed")] == ["push@0.2", "frames", 1, 0]
    assert abs(row["kendall"] - true["kendall"]) <= 0.2  # the truth, but for a codec
    assert abs(row["regret"] - true["regret"]) <= 0.2
    assert row["found"] >= true["found"] - 0.2
