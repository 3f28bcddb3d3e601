"""The page: whole, closed to the network, and deaf to whatever a model calls itself."""

import base64
import hashlib
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from wmeval.report.html import page
from wmeval.report.sample import Motion

VOID = {"meta", "link", "input", "br", "img"}


class Reader(HTMLParser):
    """Checks nesting and gathers what tests ask about."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.text, self.scripts = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data):
        (self.scripts if self.open and self.open[-1] == "script" else self.text).append(data)


def read(html):
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


def policy(reader):
    return next(a["content"] for _, a in reader.tags if a.get("http-equiv") == "Content-Security-Policy")


def test_the_page_is_well_formed_and_its_links_lead_somewhere(html):
    reader = read(html)
    ids = [a["id"] for _, a in reader.tags if "id" in a]
    assert len(ids) == len(set(ids))
    links = [a["href"] for t, a in reader.tags if t == "a"]
    assert len(links) > 10
    assert {link[1:] for link in links} <= set(ids)


def test_nothing_is_asked_of_the_network(html):
    reader = read(html)
    for tag, attributes in reader.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form")
        for name in ("src", "href", "srcset", "poster", "action", "data"):
            assert attributes.get(name, "#").startswith(("#", "data:")), (tag, attributes)
    assert not re.search(r"url\(|@import|https?://|//[a-z]+\.[a-z]", re.sub(r'"data:[^"]*"', "", html))
    assert "default-src 'none'" in policy(reader)


def test_the_policy_runs_the_page_s_own_script_and_no_other(html):
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    sha = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{sha}'" in policy(read(html))


def test_every_video_is_embedded_without_loss(html, samples):
    scenes = json.loads(re.search(r'id="scenes">(.*?)</script>', html, re.DOTALL)[1])
    shown = [s for s in samples if s.motion is not None]
    assert len(scenes) == len(shown) == 45
    by_case = {key.split("-")[-2]: scene for key, scene in scenes.items()}
    for sample in shown[::7]:
        scene = by_case[sample.case_id[:12]]
        for name, frames in zip(("truth", "predicted"), sample.motion.videos(), strict=True):
            packed = base64.b64decode(scene[name]["src"].removeprefix("data:image/png;base64,"))
            sheet = np.asarray(Image.open(io.BytesIO(packed)))
            assert scene[name]["count"] == len(frames)
            h, w, columns = scene["height"], scene["width"], scene[name]["columns"]
            for i, frame in enumerate(frames):
                r, c = divmod(i, columns)
                np.testing.assert_array_equal(sheet[r * h : (r + 1) * h, c * w : (c + 1) * w], frame)


def test_each_probe_shows_its_best_median_and_worst_scene(html, samples):
    for probe in ("permanence@0.1", "gravity@0.1"):
        errors = sorted(s.error for s in samples if s.probe == probe)
        section = html.split(f'id="{probe.replace("@", "-").replace(".", "-")}"')[1].split("</section>")[0]
        titles = re.findall(
            r"<h4>(\w+) <small>of 16</small></h4>\s*<p class=\"error[^>]*><b>([^<]*)", section
        )
        assert [t for t, _ in titles] == ["Best", "Median", "Worst"]
        expected = [errors[0], errors[7], errors[15]]
        assert [float(e) for _, e in titles] == pytest.approx(expected, rel=0.01)


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'>"


def test_the_text_of_a_model_is_text(results, samples, about):
    plain = read(page(results, samples, about))
    results["card"] |= {"name": HOSTILE, "licence": HOSTILE, "notes": [HOSTILE], "source": HOSTILE}
    results["model"]["name"] = HOSTILE
    results["na"] = [{"probe": HOSTILE, "reason": HOSTILE}]
    results["fidelity"][1]["reason"] = HOSTILE
    results["scores"][0] |= {
        "skill": None,
        "lo": None,
        "hi": None,
        "reason": HOSTILE,
        "rows": {HOSTILE: {"skill": 0.1}},
    }
    hostile = [
        replace(
            s,
            caption=HOSTILE,
            status=HOSTILE if s.failed else "ok",
            evidence={HOSTILE: HOSTILE},
            reproduce=HOSTILE,
        )
        for s in samples
    ]
    reader = read(page(results, hostile, about))
    assert sum(t == "script" for t, _ in reader.tags) == sum(t == "script" for t, _ in plain.tags) == 2
    assert not any(t == "img" or any(n.startswith("on") for n in a) for t, a in reader.tags)
    assert sum(HOSTILE in text for text in reader.text) > 40


def noisy(motion, rng, size):
    def videos():
        return tuple(rng.integers(0, 256, (n, size, size, 3), dtype=np.uint8) for n in (30, 20))

    return Motion(
        motion.fps, motion.cut, motion.times, motion.true_path, motion.true_seen, motion.predicted_path,
        motion.hues, size, videos,
    )  # fmt: skip


@pytest.mark.parametrize("size", [64, 256])
def test_48_samples_stay_below_5_MB_even_as_noise(results, samples, about, size):
    rng = np.random.default_rng(0)
    noise = [replace(s, motion=noisy(s.motion, rng, size)) if s.motion else s for s in samples]
    html = page(results, noise, about)
    assert len(html.encode()) < 5_000_000
    scenes = json.loads(re.search(r'id="scenes">(.*?)</script>', html, re.DOTALL)[1])
    assert scenes
    assert f"The videos of {45 - len(scenes)} scenes were left out" in html


def test_null_is_a_dash_and_its_reason_never_a_number(results, samples, about):
    for score in results["scores"]:
        score |= {
            "skill": None,
            "lo": None,
            "hi": None,
            "detectable": None,
            "found": None,
            "reason": "no anchors",
        }
    results["speed"] |= {"ms_per_frame": None, "load_s": None}
    html = page(results, samples, about)
    assert "no anchors" in html
    assert not re.search(r">\s*(None|nan|NaN)\s*<", html)


def test_a_run_without_samples_has_a_page(results, about):
    results |= {"scores": [], "fidelity": [], "implied": [], "speed": {}}
    assert "How to read this" in page(results, [], about)


def test_a_reference_and_an_unfinished_run_say_so(results, samples, about):
    results["card"]["reference"] = True
    results |= {"partial": True, "complete": False}
    badges = re.search(r'class="badges".*?</ul>', page(results, samples, about), re.DOTALL)[0]
    for word in (
        "reference",
        "partial",
        "not complete",
        "local anchors",
        "clip + actions",
        "trained on our split",
    ):
        assert f">{word}" in badges or f"{word}<" in badges
