"""What raters are shown: pieces of samples that are stored anyway, as pictures that move without any player.

Of each sample that is drawn by a fixed key (the same cases of every model, chosen by nobody) a few pieces are
taken, over clip length and rollout age. Checks are made beside them: the truth against noise, which whoever
looks tells apart, and the truth against itself, which nobody does.
"""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from wmeval.seeds import digest
from wmeval_leaderboard.blobs import Blobs
from wmeval_leaderboard.database import reading, writing
from wmeval_leaderboard.receiving import arrived
from wmeval_leaderboard.samples import DRAWN
from wmeval_leaderboard.tables import Model, Pair, Sample, Submission

Frames = NDArray[np.uint8]
LENGTHS_S = (0.4, 0.8, 1.6, 3.2)  # of a clip
AGES_S = (0.0, 0.4, 0.8, 1.6, 3.2)  # of the rollout before the clip begins
PIECES = 3  # of one sample
CHECKS = 12  # of each kind
HOLD_MS = 900  # for which the last frame stands
LARGEST_SIDE = 4096  # px of a stored sheet
CHECK_KINDS = ("plain", "impossible")


@dataclass(frozen=True)
class Piece:
    """When a clip begins after the cut, and how long it is [s]."""

    age_s: float
    length_s: float

    def frames(self, fps: float) -> slice:
        """Return which frames after the cut it is."""
        first = round(self.age_s * fps)
        return slice(first, first + round(self.length_s * fps))


def pieces(case_id: str, fps: float, count: int) -> list[Piece]:
    """Return the pieces that are taken of a case with `count` frames after the cut; the same for every model.

    >>> [p.length_s for p in pieces("a", 10, 5)]
    [0.4]
    """
    whole = [Piece(age, length) for age, length in product(AGES_S, LENGTHS_S)]
    fits = [piece for piece in whole if piece.frames(fps).stop <= count]
    return sorted(fits, key=lambda p: digest([case_id, p.age_s, p.length_s]))[:PIECES]


def make(engine: Engine, blobs: Blobs) -> int:
    """Make the pairs that published submissions lack, and return how many were made."""
    made = 0
    with reading(engine) as session:
        todo = list(_lacking(session))
    for sample in todo:
        pairs = list(_pairs(sample, blobs))
        with writing(engine) as session:
            known = select(Pair.id).where(
                Pair.submission_id == sample.submission_id, Pair.case_id == sample.case_id
            )
            if not session.scalars(known).first():
                _keep(session, blobs, pairs)
                made += len(pairs)
    made += _checks(engine, blobs, todo)
    return made


def read_sheet(data: bytes, count: int, columns: int, height: int, width: int) -> Frames:
    """Return the frames (T, H, W, 3) of a stored sheet.

    Raises:
        ValueError: it is of another size.
    """
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
        rows = -(-count // columns)
        if picture.size != (columns * width, rows * height) or max(picture.size) > LARGEST_SIDE:
            raise ValueError(f"a sheet of {picture.size} px holds no {count} frames of {width} x {height}")
        whole = np.asarray(picture.convert("RGB"), np.uint8)
    tiles = whole.reshape(rows, height, columns, width, 3).swapaxes(1, 2)
    return tiles.reshape(rows * columns, height, width, 3)[:count]


def moving(frames: Frames, fps: float) -> bytes:
    """Return frames as a PNG that moves for ever, its last frame standing for a while."""
    from PIL import Image

    pictures = [Image.fromarray(frame) for frame in frames]
    times = [round(1000 / fps)] * (len(frames) - 1) + [HOLD_MS]
    kept = io.BytesIO()
    pictures[0].save(
        kept, "PNG", save_all=True, append_images=pictures[1:], duration=times, loop=0, disposal=0, blend=0
    )
    return kept.getvalue()


def _lacking(session: Session) -> Iterator[Sample]:
    """Yield the samples of published models of which no pair is there yet."""
    asked = (
        select(Sample)
        .join(Submission, Submission.id == Sample.submission_id)
        .join(Model, Model.id == Submission.model_id)
        .outerjoin(
            Pair, (Pair.submission_id == Sample.submission_id) & (Pair.case_id == Sample.case_id)
        )
        .where(
            Submission.state == "published", Sample.position == DRAWN, Sample.instrument == "rollout",
            Model.reference.is_(False), Pair.id.is_(None),
        )
        .order_by(Sample.id)
    )  # fmt: skip
    return iter(session.scalars(asked).all())


def _pairs(sample: Sample, blobs: Blobs) -> Iterator[Pair]:
    for piece, real, generated, fps in _cut(sample, blobs):
        yield Pair(
            slug=secrets.token_hex(8), submission_id=sample.submission_id, case_id=sample.case_id, check="",
            length_s=piece.length_s, age_s=piece.age_s, real=blobs.put(moving(real, fps)),
            generated=blobs.put(moving(generated, fps)),
        )  # fmt: skip


def _cut(sample: Sample, blobs: Blobs) -> Iterator[tuple[Piece, Frames, Frames, float]]:
    """Yield each piece of a sample with its real and its generated frames, and frames per second."""
    media = sample.media
    if not {"truth", "prediction", "data"} <= set(media):
        return  # what the model made was no video
    told = json.loads(blobs.read(media["data"]))
    real, generated = (
        read_sheet(blobs.read(media[n]), told[n]["count"], told[n]["columns"], told["height"], told["width"])
        for n in ("truth", "prediction")
    )
    fps, real = float(told["fps"]), real[int(told["cut"]) :]  # what was predicted begins after the cut
    for piece in pieces(sample.case_id, fps, len(real)):
        part = piece.frames(fps)
        if part.stop <= len(generated):  # one that broke off has fewer frames
            yield piece, real[part], generated[part], fps


def _checks(engine: Engine, blobs: Blobs, samples: list[Sample]) -> int:
    with reading(engine) as session:
        there = {kind: len(session.scalars(select(Pair.id).where(Pair.check == kind)).all())
                 for kind in CHECK_KINDS}  # fmt: skip
    made = []
    for sample in samples:
        for piece, real, _, fps in _cut(sample, blobs):
            for kind in CHECK_KINDS:
                if there[kind] >= CHECKS:
                    continue
                other = real if kind == "impossible" else _noise(sample.case_id, real)
                made.append(Pair(
                    slug=secrets.token_hex(8), submission_id=None, case_id=sample.case_id, check=kind,
                    length_s=piece.length_s, age_s=piece.age_s, real=blobs.put(moving(real, fps)),
                    generated=blobs.put(moving(other, fps)),
                ))  # fmt: skip
                there[kind] += 1
            break
    if made:
        with writing(engine) as session:
            _keep(session, blobs, made)
    return len(made)


def _keep(session: Session, blobs: Blobs, pairs: Sequence[Pair]) -> None:
    session.add_all(pairs)
    arrived(session, {digest: blobs.size(digest) for p in pairs for digest in (p.real, p.generated)})


def _noise(case_id: str, like: Frames) -> Frames:
    rng = np.random.Generator(np.random.PCG64(int(digest(["noise", case_id])[:16], 16)))
    return rng.integers(0, 256, like.shape, dtype=np.uint8)
