"""Where an error comes from: from perception, from the model's own codec, or from its physics.

The truth goes through perception and measure as it is, and once more after the model has encoded and decoded
it. What the first costs is perception's, what the second costs beyond that is the codec's, and the rest of
the model's error is what it makes of the physics. The three add up to the error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmeval.camera import View
from wmeval.errors import ProbeFault
from wmeval.model import Clip
from wmeval.perceive import track
from wmeval.probe import Probe
from wmeval.run.clips import ask_clips, wrong_frames
from wmeval.run.store import Store
from wmeval.run.truths import truth_of
from wmeval.scene import Case
from wmeval.tracks import Tracks
from wmeval.truth import Truth

Frames = NDArray[np.uint8]
Keep = Callable[[NDArray[np.float64]], NDArray[np.int64]]  # frame times [s] -> frames on the grid
NO_CODEC = "the model does not reconstruct: what its codec loses is counted as physics"


def reconstructed(model: object, clips: Sequence[Clip], most: int, store: Store) -> list[dict[str, Any]]:
    """Return for each whole true clip {"codec": blob of its frames or None, "codec_detail": why not}.

    Raises:
        EnvironmentFault: the disk is full, or the model met one.
    """
    told = []
    for answer in ask_clips(model, "reconstruct", clips, most, wrong_frames):
        ok = answer.status.state == "ok" and answer.frames is not None
        blob = store.put({"frames": answer.frames}) if ok and answer.frames is not None else None
        told.append(
            {"codec": blob, "codec_detail": "" if ok else answer.status.detail or answer.status.state}
        )
    return told


def lost(
    probe: Probe, view: View, case: Case, shown: Mapping[str, Any], keep: Keep, store: Store
) -> dict[str, Any]:
    """Return {"perception", "codec", "reason"}: the error of the true frames, and after the model's codec.

    `keep` picks the frames of the measuring grid from frame times. Only frames after the cut are
    reconstructed ones, as only those are predicted. A number is None for the `reason`.
    """
    truths = {arm: truth_of(scene, probe.futures) for arm, scene in case.arms.items()}
    kept = {arm: store.get(shown["arms"][arm]["truth"]) for arm in truths}
    frames = {arm: k["frames"] for arm, k in kept.items()}
    times = {arm: k["times"] for arm, k in kept.items()}
    blobs = {arm: shown["arms"][arm].get("codec") for arm in truths}
    told: dict[str, Any] = {"perception": None, "codec": None, "reason": ""}
    try:
        told["perception"] = _error(probe, view, truths, frames, times, keep)
        if all(blobs.values()):
            for arm, blob in blobs.items():
                cut, made = shown["arms"][arm]["shown"], store.get(str(blob))["frames"]
                frames[arm] = np.concatenate([frames[arm][:cut], made[cut:]])
            told["codec"] = _error(probe, view, truths, frames, times, keep)
            return told
    except ProbeFault as fault:
        return {**told, "reason": str(fault)}
    details = [a["codec_detail"] for a in shown["arms"].values() if a.get("codec_detail")]
    return {**told, "reason": f"the model could not reconstruct: {details[0]}" if details else NO_CODEC}


def summed(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return {"perception", "codec", "physics", "n", "reason"} of one probe and tag: parts of the mean error.

    They add up to the mean error of the n samples that could be measured; `codec` is None for the `reason`.
    """
    known = [
        (r["error"], r["lost"]) for r in records if r.get("lost") and r["lost"]["perception"] is not None
    ]
    if not known:
        why = "no sample could be measured"
        return {"perception": None, "codec": None, "physics": None, "n": 0, "reason": why}
    error, perception = (
        float(np.mean(v)) for v in ([e for e, _ in known], [s["perception"] for _, s in known])
    )
    reasons = [s["reason"] for _, s in known if s["codec"] is None]
    codec = None if reasons else float(np.mean([s["codec"] for _, s in known])) - perception
    return {
        "perception": perception,
        "codec": codec,
        "physics": error - perception - (codec or 0.0),
        "n": len(known),
        "reason": reasons[0] if reasons else "",
    }


def _error(
    probe: Probe, view: View, truths: Mapping[str, Truth], frames: Mapping[str, Frames],
    times: Mapping[str, Any], keep: Keep,
) -> float:  # fmt: skip
    tracks: dict[str, Tracks] = {}
    for arm, truth in truths.items():
        seen = track(frames[arm], truth.scene, view, times[arm])
        tracks[arm] = seen.part(keep(times[arm]))
    return probe.judge(tracks, truths).error
