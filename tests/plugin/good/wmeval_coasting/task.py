"""A planning problem to come: it is listed and described, and no command of wmeval solves one yet."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """What there is to say of a task before it can be run."""

    name: str
    version: str
    summary: str


TASK = Task("catch", "0.3", "Push a cart so that a ball drops into it.")
