"""Rows of control: what is the task's own fault is told and costs no model."""

from wmeval.registry import load_task
from wmeval.run.standing import rows

DONE = {
    "success": 1.0,
    "any": 1.0,
    "cost": 0.0,
    "elite_regret": None,
    "optimism": None,
    "rank": None,
    "calls": 1,
}


def played(arm: str, number: int, **of: object) -> dict[str, object]:
    return {
        "arm": arm,
        "case_id": str(number),
        "status": "ok",
        "detail": "",
        "seconds": {},
        "control": DONE,
        **of,
    }


def test_what_a_task_could_not_pose_is_failed_and_not_lost():
    broken = {"status": "failed", "detail": "cost() raised", "control": None, "unposed": True}
    records = []
    for arm in ("model|state|16", "simulator|state|16"):
        records += [played(arm, i) for i in range(8)]
        records += [{k: v for k, v in played(arm, i, **broken).items() if v is not None} for i in (8, 9)]
    own, _ = rows(load_task("push"), "iid", records, posed=True)
    assert (own["n"], own["failed"], own["success"], own["any"], own["cost_reached"]) == (8, 2, 1.0, 1.0, 0.0)
    assert own["reason"] == "cost() raised"


def test_what_a_model_could_not_do_is_lost():
    records = [played("model|state|16", i) for i in range(8)]
    lost = {k: v for k, v in played("model|state|16", 8).items() if k != "control"}
    records.append({**lost, "status": "failed", "detail": "the model raised"})
    (own,) = rows(load_task("push"), "iid", records, posed=True)
    assert (own["n"], own["failed"]) == (9, 1)
    assert own["success"] == 8 / 9
    assert own["cost_reached"] == load_task("push").worst / 9
