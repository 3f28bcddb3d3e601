"""LPIPS through its own package, with a backbone state of ours; the distance over layers by hand."""

import hashlib
import socket

import numpy as np
import pytest
import torch
from torchvision.models import alexnet

from wmeval.errors import EnvironmentFault, UsageError
from wmeval.measure import perceptual
from wmeval.measure.perceptual import FETCH, LPIPS, backbone_path, layer_distances, lpips_distance, open_lpips


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return {k: v for k, v in alexnet(weights=None).state_dict().items() if k.startswith("features.")}


@pytest.fixture
def videos() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, (3, 64, 64, 3)).astype(np.uint8)
    return a, np.clip(a.astype(int) + rng.integers(-40, 40, a.shape), 0, 255).astype(np.uint8)


def by_hand(
    state: dict[str, torch.Tensor], linear: dict[str, torch.Tensor], a: np.ndarray, b: np.ndarray
) -> float:
    """LPIPS of two frames from torchvision's own layers and the package's linear weights."""
    net = alexnet(weights=None).features.eval()
    net.load_state_dict({k.removeprefix("features."): v for k, v in state.items()})
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    layers = []
    for frame in (a, b):
        x = ((torch.from_numpy(frame).float() / 127.5 - 1 - shift) / scale).permute(2, 0, 1)[None]
        kept = []
        with torch.no_grad():
            for i, layer in enumerate(net):
                x = layer(x)
                if i in (1, 4, 7, 9, 11):
                    kept.append(x / (x.pow(2).sum(1, keepdim=True).sqrt() + 1e-10))
        layers.append(kept)
    weights = [linear[f"lin{i}.model.1.weight"] for i in range(5)]
    return sum(float((w * (p - q) ** 2).sum(1).mean()) for w, p, q in zip(weights, *layers, strict=True))


def test_the_package_is_executed_with_a_backbone_of_our_own(state, videos) -> None:
    network = open_lpips(state)
    a, b = videos
    told = lpips_distance(network, a, b)
    linear = {k: v for k, v in network.state_dict().items() if k.startswith("lin")}
    assert told.shape == (3,)
    assert told[1] == pytest.approx(by_hand(state, linear, a[1], b[1]), rel=1e-4)
    assert lpips_distance(network, a, a) == pytest.approx(np.zeros(3), abs=1e-7)


def test_its_metric_reads_the_backbone_from_a_path(state, videos, tmp_path, monkeypatch) -> None:
    torch.save(state, tmp_path / "mine.pth")
    monkeypatch.setenv("WMEVAL_ALEXNET", str(tmp_path / "mine.pth"))
    a, b = videos
    told = LPIPS.per_frame(a, b, np.ones(a.shape[:3], bool))
    assert told == pytest.approx(lpips_distance(open_lpips(state), a, b))


def test_absent_weights_are_a_fault_with_the_fetching_line_and_no_network(
    videos, tmp_path, monkeypatch
) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("a run touched the network")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.delenv("WMEVAL_ALEXNET", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert backbone_path() == tmp_path / "hub" / "checkpoints" / "alexnet-owt-7be5be79.pth"
    a, b = videos
    with pytest.raises(EnvironmentFault) as fault:
        LPIPS.per_frame(a, b, np.ones(a.shape[:3], bool))
    assert FETCH in str(fault.value)
    assert fault.value.exit_code == 3


def test_a_wrong_backbone_is_refused(state, tmp_path) -> None:
    cached = tmp_path / perceptual.BACKBONE
    torch.save(state, cached)
    with pytest.raises(UsageError, match="SHA-256"):
        open_lpips(cached)
    other = tmp_path / "other.pth"
    other.write_bytes(b"not tensors")
    with pytest.raises(UsageError, match="not a file of tensors"):
        open_lpips(other)
    torch.save({"features.0.weight": torch.zeros(1)}, other)
    with pytest.raises(UsageError, match="not an AlexNet"):
        open_lpips(other)


def test_a_pickled_module_is_refused(tmp_path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pth")
    with pytest.raises(UsageError, match="not a file of tensors"):
        open_lpips(tmp_path / "module.pth")


def test_the_right_file_in_the_cache_would_pass(state, tmp_path, monkeypatch) -> None:
    cached = tmp_path / perceptual.BACKBONE
    torch.save(state, cached)
    head = hashlib.sha256(cached.read_bytes()).hexdigest()[:8]
    monkeypatch.setattr(perceptual, "BACKBONE_SHA256_HEAD", head)
    assert open_lpips(cached) is not None


def test_layer_distance_by_hand() -> None:
    floor = perceptual.FLOOR
    a = np.zeros((1, 2, 1, 2), np.float32)
    b = a.copy()
    a[0, 0], b[0, 1] = 3.0, 4.0  # orthogonal at both places
    told = layer_distances([a, a], [b, a])
    wanted = (3 / (3 + floor)) ** 2 + (4 / (4 + floor)) ** 2
    assert told == pytest.approx(np.array([[wanted], [0.0]]), rel=1e-6)
    tiny = layer_distances([a * 1e-6], [b * 1e-6])  # two places that show next to nothing do not differ
    assert tiny[0, 0] < 1e-6
