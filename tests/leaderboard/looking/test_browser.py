"""The pages in a real browser: filters, order, permalinks, the player in step, light and dark."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
import time

import pytest
import uvicorn

from wmeval_leaderboard.app import create_app

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.browser


class Browser:
    """A headless Chromium that is told what to do through a pipe, in the DevTools protocol."""

    def __init__(self, profile):
        (self._read, theirs_out), (theirs_in, self._write) = os.pipe(), os.pipe()
        script = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        flags = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync",
                 "--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank")  # fmt: skip
        self.process = subprocess.Popen(
            ["bash", "-c", script, "bash", CHROMIUM, *flags], pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        self._rest, self._number, self.events, self.session = b"", 0, [], None
        (page,) = [t for t in self.tell("Target.getTargets")["targetInfos"] if t["type"] == "page"][:1]
        given = {"targetId": page["targetId"], "flatten": True}
        self.session = self.tell("Target.attachToTarget", **given)["sessionId"]
        for room in ("Page", "Runtime", "Network", "Log"):
            self.tell(f"{room}.enable")

    def tell(self, method, **params):
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _next(self):
        while b"\0" not in self._rest:
            self._rest += os.read(self._read, 1 << 16)
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def ask(self, expression):
        """Return what a JavaScript expression says in the page."""
        given = {"expression": expression, "returnByValue": True, "awaitPromise": True}
        told = self.tell("Runtime.evaluate", **given)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def wait(self, expression, seconds=20):
        """Wait until an expression holds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(AssertionError):  # the page may be between two documents
                if self.ask(expression):
                    return
            time.sleep(0.05)
        raise AssertionError(f"never true: {expression}")

    def open(self, address):
        self.tell("Page.navigate", url=address)
        self.wait(f"document.readyState === 'complete' && location.href === {json.dumps(address)}")

    def picture(self, path):
        """Keep what the page looks like, all of it."""
        import base64

        told = self.tell("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(told["data"]))

    def complaints(self):
        """Return errors of scripts, refusals of the page's policy, and requests that left this machine."""
        told = []
        for event in self.events:
            given = event.get("params", {})
            if event.get("method") == "Runtime.exceptionThrown":
                told.append(given["exceptionDetails"])
            elif event.get("method") == "Log.entryAdded":
                # of "rendering" is the advice on reading pixels, which only these tests do
                if (
                    given["entry"]["level"] in ("error", "warning")
                    and given["entry"]["source"] != "rendering"
                ):
                    told.append(given["entry"])
            elif event.get("method") == "Runtime.consoleAPICalled" and given["type"] in ("error", "warning"):
                told.append(given["args"])
            elif event.get("method") == "Network.requestWillBeSent":
                address = given["request"]["url"]
                if not address.startswith(("http://127.0.0.1", "data:", "about:", "blob:")):
                    told.append(address)
        return told

    def close(self):
        with contextlib.suppress(OSError):
            os.close(self._write)
        self.process.terminate()
        self.process.wait(10)
        os.close(self._read)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if CHROMIUM is None:
        pytest.fail("the tests marked `browser` need chromium; Debian's package has it")
    opened = Browser(tmp_path_factory.mktemp("chromium"))
    yield opened
    opened.close()


@contextlib.contextmanager
def served(settings):
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(create_app(settings), log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def home(board_to_read):
    with served(board_to_read[0].settings) as address:
        yield address


@pytest.fixture(autouse=True)
def quiet(browser):
    """No page may complain, nor ask another host for anything."""
    browser.events.clear()
    yield
    assert browser.complaints() == []


NAMES = (
    "[...document.querySelectorAll('tbody:not(.refs) .who a')]"
    ".map(a => a.textContent.split(' ')[0]).join(' ')"
)


def choose(browser, name, value):
    browser.ask(
        f"(() => {{ const s = document.querySelector('[name={name}]'); s.value = {json.dumps(value)};"
        "s.dispatchEvent(new Event('change', {bubbles: true})); })()"
    )


def test_a_filter_changes_the_table_in_place_and_its_address_is_a_permalink(browser, home):
    browser.open(f"{home}/")
    assert len(browser.ask(NAMES).split()) == 10
    browser.ask("window.same = true")
    choose(browser, "tier", "challenged")
    browser.wait(f"{NAMES} === 'Aurora-M Aurora-S'")
    assert browser.ask("window.same") is True  # the page was not loaded anew
    permalink = browser.ask("location.href")
    assert "tier=challenged" in permalink
    browser.open(permalink)
    assert browser.ask(NAMES) == "Aurora-M Aurora-S"
    assert browser.ask("document.querySelector('[name=tier]').value") == "challenged"


def test_a_column_s_name_orders_by_it(browser, home):
    browser.open(f"{home}/")
    browser.ask("[...document.querySelectorAll('thead a')].find(a => a.textContent === 'Speed').click()")
    browser.wait("location.search.includes('sort=speed') && document.readyState === 'complete'")
    assert browser.ask("document.querySelector('[aria-sort]').textContent").startswith("Speed")
    told = browser.ask("[...document.querySelector('tbody').querySelectorAll("
                       "'tr:not(.head) td:last-child b')].map(x => Number(x.textContent))")  # fmt: skip
    assert told == sorted(told, reverse=True)


PIXELS = """(mark) => { const c = document.querySelector(mark); const p = c.getContext("2d")
  .getImageData(0, 0, c.width, c.height).data; let s = 0; for (let i = 0; i < p.length; i += 4)
  s = (s * 31 + p[i] + 7 * p[i + 1] + 13 * p[i + 2]) % 1000003; return s; }"""


def test_three_videos_are_shown_in_step_and_frame_by_frame(browser, home):
    browser.open(f"{home}/samples/4")
    state = "document.querySelector('output').textContent"
    browser.wait(f"{state} === '1.7 s predicted'")
    before = [browser.ask(f"({PIXELS})('{mark}')") for mark in (".true", ".predicted", ".other")]
    browser.ask("document.querySelector('[data-step=\"1\"]').click()")
    browser.wait(f"{state} === '1.8 s predicted'")
    after = [browser.ask(f"({PIXELS})('{mark}')") for mark in (".true", ".predicted", ".other")]
    assert all(a != b for a, b in zip(before, after, strict=True))
    browser.ask("const r = document.querySelector('input[type=range]'); r.value = 3;"
                "r.dispatchEvent(new Event('input'))")  # fmt: skip
    browser.wait(f"{state} === '0.3 s context'")
    browser.ask("document.querySelector('.tracks').click()")
    shown = {browser.ask(f"({PIXELS})('{mark}')") for mark in (".true", ".predicted", ".other")}
    assert len(shown) == 1  # of the context all three show the same
    assert browser.ask("document.querySelector('.now').style.left") == f"{100 * 3 / 23:.4f}%"
    browser.ask("document.querySelector('.play').click()")
    browser.wait(f"{state} === '1.0 s predicted'")


def test_the_plot_answers_to_the_pointer_and_says_what_a_point_is(browser, home):
    browser.open(f"{home}/utility")
    browser.wait("document.querySelector('#plot .vega-embed') !== null")
    browser.ask("document.querySelector('#plot .mark-symbol path')"
                ".scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'})")  # fmt: skip
    at = browser.ask("(() => { const p = document.querySelector('#plot .mark-symbol path');"
                     "const b = p.getBoundingClientRect();"
                     "return [b.x + b.width / 2, b.y + b.height / 2]; })()")  # fmt: skip
    browser.tell("Input.dispatchMouseEvent", type="mouseMoved", x=at[0], y=at[1])
    browser.wait("document.querySelector('#vg-tooltip-element.visible') !== null")
    assert "(made up)" in browser.ask("document.querySelector('#vg-tooltip-element').textContent")
    for event in ("mousePressed", "mouseReleased"):
        browser.tell("Input.dispatchMouseEvent", type=event, x=at[0], y=at[1], button="left", clickCount=1)
    browser.wait("location.pathname.startsWith('/models/') && document.readyState === 'complete'")


@pytest.mark.parametrize("width", [1360, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_its_window_in_the_colours_that_a_reader_wants(
    browser, home, board_to_read, scheme, width
):
    entry = board_to_read[1].entries[0]
    browser.tell("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.tell("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1,
                 mobile=width < 500)  # fmt: skip
    pages = ("/", "/?view=physics", f"/models/{entry.model}", "/probes", "/probes/gravity@0.1",
             "/tasks/push@0.2", "/samples/1", "/utility", "/method", "/ledger",
             f"/submissions/{entry.slug}")  # fmt: skip
    for page in pages:
        browser.open(f"{home}{page}")
        assert browser.ask("document.documentElement.scrollWidth") <= width, page
        dark = browser.ask("getComputedStyle(document.documentElement).backgroundColor") == "rgb(20, 22, 26)"
        assert dark == (scheme == "dark")
    browser.tell("Emulation.clearDeviceMetricsOverride")


def test_without_scripts_a_page_says_all_that_it_says_with_them(browser, home):
    browser.tell("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(f"{home}/utility?by=psnr")
        assert browser.ask("document.querySelectorAll('#plot svg a').length") >= 9
        browser.open(f"{home}/?tier=verified&view=physics")
        assert browser.ask(NAMES) == "Aurora-M"
    finally:
        browser.tell("Emulation.setScriptExecutionDisabled", value=False)


def test_a_rater_sees_both_clips_move_and_votes(browser, filled):
    with served(filled.settings) as home:
        browser.open(f"{home}/human")
        end = time.monotonic() + 60
        while not browser.ask("document.querySelector('.begin button') !== null"):
            assert time.monotonic() < end, "no pairs were made"
            browser.open(f"{home}/human")  # pairs are made meanwhile
        browser.ask("document.querySelector('.begin button').click()")
        browser.wait("location.pathname === '/human/vote' && document.readyState === 'complete'")
        pair = "document.querySelector('[name=pair]').value"
        for side in ("left", "right", "left"):
            browser.wait(
                "[...document.querySelectorAll('.pair img')].every(i => i.complete && i.naturalWidth)"
            )
            asked = browser.ask(pair)
            browser.ask(f"document.querySelector('[name=side][value={side}]').click()")
            browser.wait(f"document.readyState === 'complete' && {pair} !== {json.dumps(asked)}")
        assert "wmeval_rater" not in browser.ask("document.cookie")
        browser.open(f"{home}/human")
        assert "3 so far" in browser.ask("document.body.textContent")
