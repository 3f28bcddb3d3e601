"""Weights by the name of a repository: what is fetched, and each way in which it cannot be."""

from pathlib import Path

import pytest

from wmeval import hub, registry
from wmeval.errors import EnvironmentFault, UsageError

huggingface_hub = pytest.importorskip("huggingface_hub")
PIPELINE = [
    ".gitattributes", "README.md", "model_index.json", "whole.safetensors", "custom.py", "sample.mp4",
    "vae/config.json", "vae/diffusion_pytorch_model.safetensors",
    "vae/diffusion_pytorch_model.fp16.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors",
    "unet/diffusion_pytorch_model.bin",
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("hf:a/b", ("a/b", None, None)),
        ("hf:a/b@refs/pr/3", ("a/b", "refs/pr/3", None)),
        ("hf:a/b.c-d/x/y.pt", ("a/b.c-d", None, "x/y.pt")),
        ("hf:a/b/x/y.pt@v1", ("a/b", "v1", "x/y.pt")),
    ],
)
def test_names_of_repositories(text, parts):
    read = hub.source(text)
    assert (read.repository, read.revision, read.inside) == parts
    assert str(read) == text


@pytest.mark.parametrize("text", ["hf:", "hf:a", "hf:a/b/../../c", "hf:a b/c", "hf:http://x/y"])
def test_what_is_no_repository_is_refused(text):
    with pytest.raises(UsageError, match="expected hf:ORG/NAME"):
        registry.weights_path(text)


def test_of_a_pipeline_only_its_parts_are_fetched():
    assert hub.chosen(PIPELINE) == [
        "README.md", "model_index.json", "unet/diffusion_pytorch_model.fp16.safetensors", "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
    ]  # fmt: skip


def test_sharded_variants_are_left_where_plain_ones_are():
    files = ["t/m-00001-of-00002.safetensors", "t/m.fp16-00001-of-00002.safetensors"]
    assert hub.chosen(files) == files[:1]


def listing(monkeypatch, files, fetched):
    monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", lambda self, repo, revision: files)

    def download(repo, revision=None, allow_patterns=None, cache_dir=None, local_files_only=False):
        fetched.append((repo, revision, allow_patterns))
        return str(Path(cache_dir) / "snapshot")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)


def test_a_repository_becomes_a_folder(monkeypatch, tmp_path):
    fetched = []
    listing(monkeypatch, PIPELINE, fetched)
    assert hub.fetched("hf:a/b@v1", tmp_path) == tmp_path / "snapshot"
    assert fetched == [("a/b", "v1", hub.chosen(PIPELINE))]


def test_pickles_alone_are_not_fetched(monkeypatch, tmp_path):
    listing(monkeypatch, ["model_index.json", "unet/model.bin"], [])
    with pytest.raises(UsageError, match="holds no safetensors"):
        hub.fetched("hf:a/b", tmp_path)


def unreachable(self, repo, revision):
    raise ConnectionError("no route to host\nand more")


def test_without_a_network_there_is_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", unreachable)
    with pytest.raises(EnvironmentFault, match=r"hf:a/b cannot be reached \(ConnectionError: no route"):
        hub.fetched("hf:a/b", tmp_path)


def test_without_a_network_what_was_downloaded_is_taken(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", unreachable)
    sha = "0" * 40
    folder = tmp_path / "models--a--b" / "snapshots" / sha
    folder.mkdir(parents=True)
    (tmp_path / "models--a--b" / "refs").mkdir()
    (tmp_path / "models--a--b" / "refs" / "main").write_text(sha)
    (folder / "model_index.json").write_text("{}")
    with pytest.raises(EnvironmentFault, match="cannot be reached"):
        hub.fetched("hf:a/b", tmp_path)  # a download that stopped before the weights is none
    (folder / "m.safetensors").write_bytes(b"")
    assert hub.fetched("hf:a/b", tmp_path) == folder


def test_what_a_repository_answers_is_told(monkeypatch, tmp_path):
    import httpx2

    answer = httpx2.Response(404, request=httpx2.Request("GET", "http://x"))

    def gone(self, repo, revision):
        raise huggingface_hub.errors.RepositoryNotFoundError("404", response=answer)

    def gated(self, repo, revision):
        raise huggingface_hub.errors.GatedRepoError("403", response=answer)

    monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", gone)
    with pytest.raises(UsageError, match="not there, or not public"):
        hub.fetched("hf:a/b", tmp_path)
    monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", gated)
    with pytest.raises(EnvironmentFault, match="accepted its licence"):
        hub.fetched("hf:a/b", tmp_path)
