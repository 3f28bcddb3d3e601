"""The page that a person follows who has a pack, a model in another window, and perhaps no wmeval."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from wmeval.pack import layout
from wmeval.pack.layout import Pack

_HEAD = """# A wmeval pack

Questions for a model that wmeval cannot call. You give each question to the model in whatever way you have,
put its answers into this folder, and wmeval scores them. Nothing in here says what happens next.
"""

_ROLLOUT = """
## Videos to continue: {count} questions, {answers} answers

`questions.csv` lists them all: id, name of the answer, seed, lengths and caption. For each folder of
`questions/`:

1. Give the model what it takes of these:
   | file | what it is |
   |---|---|
   | `context.mp4` | the video up to now: {width} x {height} px, {fps:g} frames a second |
   | `context/0000.png` ... | the same frames without loss |
   | `last.png` | the last of them, for models that start from one picture |
   | `caption.txt` | a prompt: what is seen and what is done, never what comes of it |
   | `actions.csv` | what acts on the scene in each step between two frames (below) |
   | `question.json` | lengths, the seed to use where the model takes one, and the name of the answer |
   | `camera.json` | the 3 x 3 matrix from camera coordinates (right, down, forward) to pixels |
2. Ask for a video that goes on for at least `predict_s` seconds{longest}, of a fixed camera unless the
   caption says that it moves. Turn off prompt rewriting, sound and upscaling where that is possible.
3. Save it as `answers/ID.mp4`, where ID is the folder's name; `question.json` holds the exact name{several}.

Rules: **the first sample counts**. Do not choose among samples, do not change the caption, do not cut or
edit what came. Give the model the same things in every question, and say which when you score
(`--set context=image`, `clip` or `clip+actions`).

What is accepted as an answer:

- `ID.mp4`, `ID.mov` or `ID.webm` with one video stream of constant frame rate, {fps:g} a second or more;
- a folder `ID/` of PNG pictures numbered in one series (`0000.png`, `0001.png`, ...): the best choice;
- `ID.npz` with `frames`, uint8 (T, height, width, 3), and `fps`.
- `ID.refused.txt` with the reason where the model refused. A refusal is counted as one, not as missing.

Pictures and arrays without `fps` are taken at {fps:g} frames a second; `--set fps=24` says otherwise. Other
rates are brought to {fps:g} by taking every n-th frame where that is exact, and else the nearest in time.
A longer video is cut; a shorter one is told as short and counts as failed.

**Where a video begins.** It may begin with the first frame after the context, with the last context frame,
or with the whole context. wmeval compares the first frames with the context, drops what repeats it and tells
what it found; `--set overlap=none|last|all`, or a number of context frames, says it where the pictures
cannot tell.

**Size.** Give the model the picture whole. Its video may have any size of at least 64 px a side. One of the
same shape ({width} x {height}) is scaled. For another shape wmeval tries the picture in the middle
between bars (letterbox), cut off at two sides (crop) and stretched, where the video begins with
context frames; otherwise say `--set geometry=letterbox|stretch|crop|X,Y,WIDTH,HEIGHT` (where the picture
lies in a frame, in px). Do not crop: what is cut away cannot be seen, so that such answers fail.
{bars}
`actions.csv` has a row for each step from a frame to the next, context first: impulse [N s] and mean
force [N] on the one body that can be pushed, velocity [m/s] and rotation rate [rad/s] of the camera. x
points right, y away from you, z up. Rows of zeros mean that nobody acts; gravity acts all the same.
"""

_SURPRISE = """
## Clips to judge: {count}

For each folder of `clips/` the model says how surprising every frame is, higher = more surprising, from that
frame and those before it. `frames/*.png` are exact and are what is to be judged; `clip.mp4` is the same,
enlarged to be looked at. `actions.csv` holds what acts in each step. Write the numbers into `{surprise}`
(copy `{template}`, which has all the rows):

```
id,frame,surprise
3f0c41d2a977,0,nan
3f0c41d2a977,1,0.317
```

`nan` or nothing at all stands where the model can say nothing, such as on the first frames. A model that
gives one number a clip writes `id,surprise`; then nothing can be said of where it saw something. Judge every
clip by itself and do not rescale from clip to clip. Leave the file out if the model judges nothing.
"""

_TAIL = """
## Check, then score

In this folder:

```sh
pip install wmeval        # where it is not installed yet
wmeval check pack .
{command} --set name=MY-MODEL
```

`wmeval check pack` names at once all that is missing, short, damaged, too small or doubled, and tells what
scoring would do with the rest. Score with the release that wrote the pack: another one may draw other
pictures, and then finds none of its questions in here.
"""

_SEND = """
## Check, then send

In this folder:

```sh
pip install wmeval        # where it is not installed yet
wmeval check pack .
wmeval submit . --challenge --server URL
```

`wmeval check pack` names at once all that is missing, short, damaged, too small or doubled. These questions
are asked once and answered once, before the deadline in `challenge.json`; the server measures what you send.
"""


def readme(pack: Pack) -> str:
    """Return the README.md of a pack."""
    told = _HEAD
    if pack.questions:
        answers = sum(len(q.seeds) for q in pack.questions.values())
        most = max(q.horizon for q in pack.questions.values()) / pack.view.fps
        several = "; each of its seeds has one of its own" if answers > len(pack.questions) else ""
        bars = ""
        if pack.canvas != (int(pack.picture.width), int(pack.picture.height)):
            bars = (
                f"\nThe scene is the square of {pack.picture.width:g} px in the middle of the picture; the "
                "grey bars beside it mean nothing.\n"
            )
        told += _ROLLOUT.format(
            count=len(pack.questions), answers=answers, fps=pack.view.fps, width=pack.canvas[0],
            height=pack.canvas[1], longest=f" (at most {most:g} s in this pack)", several=several, bars=bars,
        )  # fmt: skip
    if pack.clips:
        told += _SURPRISE.format(count=len(pack.clips), surprise=layout.SURPRISE, template=layout.TEMPLATE)
    if "hidden" in pack.ask:
        return told + _SEND
    here = replace(pack, folder=Path("."))  # packs are moved about, and their page goes with them
    return told + _TAIL.format(command=here.command())
