"""The page in a real browser: it plays, scrubs and asks nothing of the network. Runs where chromium is."""

import json
import re
import shutil
import subprocess
from html import unescape

import numpy as np
import pytest
from PIL import Image

from wmeval.report.sample import telling

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here; tests/wmeval/report reads the page"),
]
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--virtual-time-budget=3000",
    "--enable-logging=stderr", "--force-device-scale-factor=1",
)  # fmt: skip


def browse(page, profile, *flags):
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", *flags, page.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert complaints == []
    return done.stdout


@pytest.fixture
def page(html, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(html, encoding="utf-8")
    return path


def test_every_scene_draws_its_frame_under_the_page_s_own_policy(page, samples, tmp_path):
    dom = browse(page, tmp_path / "profile", "--dump-dom", "--window-size=1280,2000")
    stages = re.findall(r'<article class="scene".*?</article>', dom, re.DOTALL)
    unfolded = [s for s in stages if "<output" in s and "predicted</output>" in s]
    probes = {s.probe for s in samples}
    chosen = [s for p in probes for s in telling([s for s in samples if s.probe == p]).values()]
    assert len(unfolded) == sum(s.motion is not None for s in chosen) >= 6
    for stage in unfolded:
        assert re.search(r"<output>\d\.\d s predicted</output>", stage)
        assert re.search(r'aria-valuetext="\d\.\d s predicted"', stage)


ACT = """
const act = async () => {
  const rest = (s) => new Promise((done) => setTimeout(done, 1000 * s));
  const scene = document.querySelector("[data-scene]");
  const [play, slider, out] = [".play", "input[type=range]", "output"].map((s) => scene.querySelector(s));
  const told = [slider.value];
  play.click();
  await rest(0.45);
  told.push(slider.value, play.getAttribute("aria-label"));
  play.click();
  const stopped = slider.value;
  await rest(0.3);
  told.push(slider.value === stopped, play.getAttribute("aria-label"));
  slider.value = 0;
  slider.dispatchEvent(new Event("input"));
  told.push(out.textContent, scene.querySelectorAll("figcaption")[1].textContent);
  const folded = document.querySelector(".rest [data-scene]");
  const dot = document.querySelector(`[data-case="${folded.id}"]`);
  dot.dispatchEvent(new Event("click"));
  await rest(0.3);
  told.push(folded.closest("details").open, folded.querySelector("output").textContent.length > 0);
  document.title = JSON.stringify(told);
};
window.addEventListener("load", act);
"""


def test_a_scene_plays_stops_and_scrubs_and_a_dot_leads_to_its_scene(page, tmp_path):
    html = page.read_text(encoding="utf-8")
    policy = re.search(r"script-src &#39;sha256-[^;]*;", html)[0]
    assert policy
    page.write_text(
        html.replace(policy, "script-src &#39;unsafe-inline&#39;;").replace(
            "</body>", f"<script>{ACT}</script></body>"
        ),
        encoding="utf-8",
    )
    dom = browse(page, tmp_path / "profile", "--dump-dom", "--window-size=1280,2000")
    told = json.loads(unescape(re.search(r"<title>(.*?)</title>", dom)[1]))
    start, later, *rest = told
    assert later != start
    assert rest == ["Pause", True, "Play", "0.0 s context", "shown to the model", True, True]


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_readable_in_every_light_and_on_a_phone(page, tmp_path, width, scheme):
    shot = tmp_path / "shot.png"
    flags = ["--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
    browse(page, tmp_path / "profile", f"--screenshot={shot}", f"--window-size={width},4600", *flags)
    picture = np.asarray(Image.open(shot).convert("RGB")).astype(int)
    paper = picture[5, 5].mean()
    assert paper < 60 if scheme == "dark" else paper > 240
    margin = picture[:, -10:].reshape(-1, 3)
    assert (np.abs(margin - picture[5, 5]).max(1) < 12).mean() > 0.97, "something sticks out of the page"
    red = (picture[..., 0] > 150) & (picture[..., 1] < 70) & (picture[..., 2] < 70)
    assert red.sum() > 500, "no red ball is drawn"
