"""Progress in a pipe is a line now and then; on a terminal it is drawn and wiped away."""

import io

from wmeval.report import live as told
from wmeval.run.progress import Progress, Running

SOME = Progress(
    "run",
    3,
    10,
    1,
    24,
    80,
    2.0,
    28.0,
    1,
    {"gravity@0.1": Running(24, 0.3, 0.61, 1), "x@1": Running(2, 0.5, None, 0)},
)


def test_a_line_says_units_rate_time_left_failures_and_running_scores():
    line = told.line(SOME)
    for part in (
        "3/10 units",
        "24/80 samples",
        "1 units were there",
        "2.0 samples/s",
        "28 s left",
        "1 failed",
    ):
        assert part in line
    assert "gravity skill 0.61" in line
    assert "x error 0.50" in line


def test_a_log_stays_short(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(told.time, "monotonic", lambda: clock[0])
    out = io.StringIO()
    with told.live(out) as progress:
        for _ in range(600):  # a minute of ten messages a second
            clock[0] += 0.1
            progress(SOME)
        progress(Progress("score", message="no stored anchor fits; making one"))
    lines = out.getvalue().splitlines()
    assert 4 <= sum("asking" in line for line in lines) <= 5
    assert "no stored anchor fits; making one" in lines


def test_a_terminal_is_left_clean():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    out = Terminal()
    with told.live(out) as progress:
        progress(SOME)
        progress(Progress("run", message="a worker died; its unit is done again"))
    assert "a worker died" in out.getvalue()


def test_counting_and_sentences_are_plain_lines_too():
    out = io.StringIO()
    with told.counting("clips", out) as count:
        count(1, 4)
        count(2, 4)
    with told.sentences(out) as say:
        say("gravity@0.1 iid: 1 of 9 scenes")
        say("gravity@0.1 iid: 2 of 9 scenes")
        say("permanence@0.1 iid: 1 of 9 scenes")
    lines = out.getvalue().splitlines()
    assert lines == ["1/4 clips", "gravity@0.1 iid: 1 of 9 scenes", "permanence@0.1 iid: 1 of 9 scenes"]
