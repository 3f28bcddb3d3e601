"""A caption says what is there up to the cut and what is commanded after it, and never what happens."""

from __future__ import annotations

from collections.abc import Sequence

from wmeval.scene import HUES, Body, Push

_SHAPES = {"sphere": "ball", "box": "block", "cylinder": "cylinder"}


def caption(bodies: Sequence[Body], pushes: Sequence[Push] = ()) -> str:
    """Return one or two plain sentences on a scene.

    >>> from wmeval.scene import ball, floor, occluder
    >>> print(caption([floor(), ball("a", radius=.3, position=(0, 0, 1), hue="red"),
    ...                occluder("o", half=(.5, .1, .5), position=(1, -1, .5))]))
    Seen from the side: a red ball, a grey screen and a grey floor.
    """
    seen = [f"a {colour(b)} {_SHAPES[b.shape]}" for b in bodies if b.mass > 0]
    roles = {"occluder": "screen", "wall": "wall", "ramp": "ramp", "floor": "floor"}
    for role in ("occluder", "wall", "ramp", "floor"):
        count = sum(b.role == role and b.name != "backdrop" for b in bodies)
        if count:
            seen.append(f"a grey {roles[role]}" if count == 1 else f"{count} grey {roles[role]}s")
    listed = seen[0] if len(seen) == 1 else ", ".join(seen[:-1]) + " and " + seen[-1]
    told = [f"Seen from the side: {listed}."]
    by_name = {b.name: b for b in bodies}
    for push in pushes:
        body = by_name[push.body]
        x, _, z = push.impulse if any(push.impulse) else push.force
        way = " and ".join(
            [
                *(["to the right" if x > 0 else "to the left"] if x else []),
                *(["up" if z > 0 else "down"] if z else []),
            ]
        )
        told.append(f"At {push.start_s:g} s the {colour(body)} {_SHAPES[body.shape]} is pushed {way}.")
    return " ".join(told)


def colour(body: Body) -> str:
    """Return the name of the hue nearest to a body's."""
    if body.hue is None:
        return "grey"
    hue = body.hue
    return min(HUES, key=lambda name: abs((HUES[name] - hue + 180) % 360 - 180))
