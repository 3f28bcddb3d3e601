"""Each mistake that a probe's author makes, through the command line: a sentence with file, function, case.

`wmeval check probe` says what to mend. In `wmeval run` the case, or the probe that cannot draw any, is lost,
and a sound probe beside it is asked all the same.
"""

import json
import re
from typing import Literal, NamedTuple

import pytest

from wmeval import calibrate, check_cases
from wmeval.cli.main import main


class Mistake(NamedTuple):
    """What is replaced in a sound probe, and what is then said of which function."""

    was: str
    becomes: str
    function: str
    says: str
    lost: Literal["cases", "probe", "skill"] = "cases"  # in a run


PATH = "Measurement(float(np.linalg.norm(away, axis=1).mean()))"
SEEN = 'float(tracks.after(truth.scene.cut_s)["ball"].found.mean())'
MISTAKES = {
    "measure raises": Mistake(PATH, "Measurement(1 // 0)", "measure", "it raised ZeroDivisionError: integer"),
    "event raises": Mistake(SEEN, "tracks['bell']", "event", "it raised KeyError: \"no track 'bell'"),
    "case raises": Mistake("Case.single(scene)", "Case.single()", "case", "it raised TypeError: ", "probe"),
    "violate raises": Mistake('scene["ball"].mass', 'scene["bell"].mass', "violate",
                              "it raised KeyError: \"no body 'bell'", "skill"),
    "NaN": Mistake(PATH, "Measurement(float('nan'))", "measure", "returned error nan on arm 'main'"),
    "negative": Mistake(PATH, "Measurement(-0.5)", "measure", "expected a number >= 0"),
    "an array": Mistake(PATH, "Measurement(np.zeros(2))", "measure", "returned an array of shape (2,)"),
    "a bare number": Mistake(PATH, "0.0", "measure", "on arm 'main'; return `Measurement(error)`"),
    "event above 1": Mistake(SEEN, "1.5", "event", "returned 1.5 on arm 'main'; expected 0 to 1"),
    "arms of another case": Mistake(SEEN, "{'left': 1.0}", "event", "returned arms ['left'] on a case"),
    "randomness not from rng": Mistake("1.4, rng.uniform", "1.4, np.random.default_rng().uniform", "case",
                                       "drew two cases from one generator", "probe"),
    "nothing happens": Mistake(SEEN, "float(truth.scene['ball'].velocity[2] > 9)", "event",
                               "`event` says 0.000 of a truth and must say 0.99 or more"),
    "the caption tells the outcome": Mistake("=caption(bodies)", "='A ball that lands on the right.'", "case",
                                             "the caption tells the outcome ('lands' in", "probe"),
    "the context is read": Mistake('tracks.after(truth.scene.cut_s)["ball"]', 'tracks["ball"]', "measure",
                                   "it reads the truth or the context in place of what was predicted"),
    "no such scene": Mistake("floor())", "floor(path=((1.0, (0.0, 0.0, 0.0)),)))", "case",
                             "ValueError: body 'floor' has a path, so it must not collide"),
    "another tag": Mistake("tag=tag", "tag='other'", "case", "asked for tag 'iid' and drew 'other'", "probe"),
    "a bare Scene": Mistake("Case.single(scene)", "scene", "case", "wrap it as `Case.single(", "probe"),
    "violate forgets to return": Mistake("return resume(", "resume(", "violate", "returned None", "skill"),
    "violate loses a body": Mistake("return resume(truth, at, laws=replace(scene, pushes=(kick,)))",
                                    "return replace(truth, position=truth.position[:, :0])", "violate",
                                    "keep its bodies and its times", "skill"),
}  # fmt: skip
SUITE = """
from wmeval.suite import Suite

SUITE = Suite("none", "0.1", (), (), 2)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder with a sound probe and one a mistake, where checks look at two cases."""
    folder = tmp_path_factory.mktemp("mistakes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WMEVAL_CACHE", str(folder / "cache"))
        patch.chdir(folder)
        patch.setattr(check_cases, "CLOSE", 2)
        patch.setattr(calibrate, "LOCAL_N", 20)
        assert main(["new", "probe", "sound"]) == 0
        sound = (folder / "sound.py").read_text()
        for name, mistake in MISTAKES.items():
            assert mistake.was in sound
            wrong = sound.replace(mistake.was, mistake.becomes).replace('name="sound"', 'name="mine"')
            (folder / f"{file(name)}.py").write_text(wrong)
        (folder / "none.py").write_text(SUITE)
        yield folder


def file(name):
    return name.replace(" ", "_")


def told(name, mistake, split, case=r"\d"):
    """Return the pattern of the sentence: FILE:LINE, `FUNCTION` on case N (SPLIT, iid): ...; a mend."""
    where = rf"{file(name)}\.py:\d+, `{mistake.function}` on case {case} \({split}, iid\): "
    return re.compile(where + f".*{re.escape(mistake.says)}", re.DOTALL)


@pytest.mark.parametrize("name", MISTAKES)
def test_check_says_what_to_mend(name, place, capsys):
    code = main(["check", "probe", f"./{file(name)}.py", "--n", "20", "--workers", "1", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert code == 1
    assert told(name, MISTAKES[name], "dev").search(found["verdict"]), found["verdict"]
    assert "Traceback" not in found["verdict"]


@pytest.mark.parametrize("name", MISTAKES)
def test_a_run_loses_no_more_than_it_must(name, place, capsys):
    mistake, out = MISTAKES[name], f"run-{file(name)}"
    run = [
        "run",
        "--model",
        "oracle",
        "--suite",
        "none.py",
        "--executor",
        "inline",
        "--limit",
        "1",
        "--out",
        out,
    ]
    code = main([*run, "--probe", "./sound.py", "--probe", f"./{file(name)}.py"])
    shown = capsys.readouterr()
    assert "Traceback" not in shown.out + shown.err
    results = json.loads((place / out / "results.json").read_text())
    scores = {s["probe"]: s for s in results["scores"]}
    assert scores["sound@0.1"]["skill"] > 0.95
    if mistake.lost == "probe":
        (row,) = results["na"]
        assert told(name, mistake, "eval").search(row["reason"])
        assert "mine@0.1" not in scores
    elif mistake.lost == "cases":
        record = json.loads(next(r for r in records(place / out) if f"`{mistake.function}`" in r))
        (sample,) = record["samples"]
        assert sample["status"] == "failed"
        assert told(name, mistake, "eval", 0).search(sample["detail"])
        assert scores["mine@0.1"]["failed"] == 1
        assert scores["mine@0.1"]["skill"] is None
    else:
        assert told(name, mistake, "dev", r"\d+").search(scores["mine@0.1"]["reason"])
        assert scores["mine@0.1"]["skill"] is None
    assert code == (0 if mistake.lost == "skill" else 1)
    assert len(list((place / out).glob("report.html"))) == 1


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ('null="freeze"', 'null="frozen"', "has the null 'frozen'; expected one of oracle, freeze,"),
        ("worst=2.0", "worst=0.0", "has a worst error of 0.0"),
        ("strengths=(0.002, 0.005, 0.01, 0.05, 0.2)", "strengths=()", "has the strengths ()"),
        ('tags=("iid",)', 'tags="iid"', "has the tags 'iid'"),
        ("horizon_s=0.9", "horizon_s=0", "has a horizon of 0 s"),
        ("from wmeval.world import resume", "from wmeval.world import resum", "ImportError"),
        ("def case(", "def case", "SyntaxError"),
    ],
)
def test_a_file_that_holds_no_probe_is_one_sentence(was, becomes, says, place, capsys):
    sound = (place / "sound.py").read_text()
    assert was in sound
    (place / "odd.py").write_text(sound.replace(was, becomes))
    for command in (["check", "probe", "./odd.py"], ["run", "--model", "oracle", "--probe", "./odd.py"]):
        assert main(command) == 2
        (line,) = [s for s in capsys.readouterr().err.splitlines() if s.startswith("wmeval: ")]
        assert re.search(r"odd\.py(:\d+)? cannot be imported: ", line)
        assert says in line


def records(folder):
    """Return the measured records of a run that hold a detail, as text."""
    return [t for p in (folder / "units").rglob("*.json") if '"measure"' in (t := p.read_text())]
