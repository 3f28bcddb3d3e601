"""The pages as files: every link leads to a file that is there, and none to a server."""

import html
import re
from urllib.parse import unquote

import pytest

from wmeval.errors import UsageError
from wmeval_leaderboard.site import build

LINK = re.compile(r'(?:href|src)=\\?"([^"\\]*)\\?"')


@pytest.fixture(scope="session")
def site(board_to_read, tmp_path_factory):
    made, _ = board_to_read
    out = tmp_path_factory.mktemp("looking") / "site"
    count = build(made.engine, made.blobs, out)
    assert count == len(list(out.rglob("*.html")))
    return out


def test_every_link_of_every_page_leads_to_a_file_beside_it(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 60
    broken = set()
    for page in pages:
        text = page.read_text()
        media = re.findall(r'"src": ?"([^"]*)"|"href": ?"([^"]*)"', text)
        for link in {*map(html.unescape, LINK.findall(text)), *(a or b for a, b in media)}:
            if not link or link.startswith("#"):
                continue
            assert not re.match(r"(?:[a-z]+:)?/", link), (page, link)
            if not (page.parent / link.partition("#")[0]).exists():
                broken.add((str(page.relative_to(site)), link))
    assert not broken, sorted(broken)[:5]


def test_the_site_holds_pictures_data_and_scripts_but_no_secret(site):
    for file in site.rglob("*"):
        assert file.is_dir() or b"SEALED-SECRET" not in file.read_bytes(), file
    assert list(site.glob("media/*.png"))
    assert list(site.glob("data/*.parquet"))
    assert list(site.glob("static/vega-*.js"))


def test_no_name_of_a_season_leads_out_of_its_folder(made_up, tmp_path):
    made_up.season("a/../../b")
    made_up.team("lab")
    made_up.model("a/../../b", "lab", "one", 0.5)
    build(made_up.engine, made_up.blobs, tmp_path / "site")
    assert {p.name for p in tmp_path.iterdir()} <= {"site", "server"}
    files = {p.name for p in (tmp_path / "site" / "data").iterdir()}
    linked = set(re.findall(r'"data/([^"]+)"', (tmp_path / "site" / "index.html").read_text()))
    assert linked
    assert {unquote(name) for name in linked} <= files


def test_a_folder_that_holds_something_is_left_alone(filled, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        build(filled.engine, filled.blobs, tmp_path)
