"""The vectors that C reads too."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import heroq
import pytest
from heroq import _heroq, errors
from support.server import Server


def value(item: Any) -> Any:
    return base64.b64decode(item["base64"]) if isinstance(item, dict) else item


def test_statuses_and_their_kinds(vectors: Callable[[str], Any]) -> None:
    listed = vectors("errors")
    kinds = {row["kind"]: row["number"] for row in listed["kinds"]}
    for i, row in enumerate(listed["statuses"]):
        assert _heroq.heroq_status_at(i) == row["number"]
        assert _heroq.heroq_status_name(row["number"]) == row["name"]
        assert getattr(_heroq, row["name"]) == row["number"]
        assert _heroq.heroq_status_kind(row["number"]) == kinds[row["kind"]]
        assert isinstance(errors.error_from(row["number"]), heroq.HeroqError)
    assert _heroq.heroq_status_at(len(listed["statuses"])) > 0


def test_keys_are_built(vectors: Callable[[str], Any]) -> None:
    for case in vectors("keys")["build"]:
        if None in case["args"]:
            continue
        build = getattr(heroq.keys, case["function"])
        if "error" in case:
            with pytest.raises(heroq.HeroqError) as caught:
                build(*case["args"])
            assert caught.value.name == case["error"], case
        else:
            assert build(*case["args"]) == case["key"]


def test_keys_are_parsed(vectors: Callable[[str], Any]) -> None:
    for case in vectors("keys")["parse"]:
        if "error" in case:
            with pytest.raises(heroq.InvalidError):
                heroq.keys.parse(case["key"])
        else:
            assert heroq.keys.parse(case["key"]) == case["parts"], case


def test_jobs_go_through_json(vectors: Callable[[str], Any]) -> None:
    for case in vectors("jobs")["round_trip"]:
        job = heroq.Job.from_json(case["json"])
        assert job.to_json() == case["out"].encode(), case["name"]
        for name, wanted in case.get("fields", {}).items():
            got, want = job.field(name), value(wanted)
            assert got == (want.encode() if isinstance(want, str) else want), (case["name"], name)


def test_bad_jobs_are_refused(vectors: Callable[[str], Any]) -> None:
    for case in vectors("jobs")["bad"]:
        with pytest.raises(heroq.HeroqError) as caught:
            heroq.Job.from_json(case["text"] if "text" in case else base64.b64decode(case["base64"]))
        assert caught.value.name == case["error"], case["name"]


SETTERS: dict[str, Callable[..., None]] = {
    "option": _heroq.heroq_job_set_option,
    "field": _heroq.heroq_job_set_field,
    "env": _heroq.heroq_job_set_env,
    "header": _heroq.heroq_job_set_header,
    "id": _heroq.heroq_job_set_id,
    "prerequisite": _heroq.heroq_job_add_prerequisite,
    "dependent": _heroq.heroq_job_add_dependent,
}


def made(case: dict[str, Any]) -> heroq.Job:
    job = heroq.Job(value(case["script"]), case["script_type"])
    for kind, *args in case["set"]:
        SETTERS[kind.removeprefix("set_").removeprefix("add_")](job._handle, *map(value, args))
    return job


def test_jobs_are_made(vectors: Callable[[str], Any]) -> None:
    for case in vectors("jobs")["make"]:
        if "error" in case:
            with pytest.raises(heroq.HeroqError) as caught:
                made(case)
            assert caught.value.name == case["error"], case["name"]
            continue
        job = made(case)
        for name, wanted in case.get("fields", {}).items():
            want = value(wanted)
            assert job.field(name) == (want.encode() if isinstance(want, str) else want), (case["name"], name)


def test_script_types_are_derived(vectors: Callable[[str], Any]) -> None:
    for case in vectors("keys")["derive_script_type"]:
        more = (case["more_types"] or "").split(",") if case["more_types"] else ()
        if case["actor_id"] is None:
            continue
        if "error" in case:
            with pytest.raises(heroq.InvalidError):
                heroq.derive_script_type_from_actor_id(case["actor_id"], more)
        else:
            assert heroq.derive_script_type_from_actor_id(case["actor_id"], more) == case["script_type"], case


def test_states_are_read(vectors: Callable[[str], Any], server: Server, sup: heroq.Supervisor) -> None:
    states = vectors("states")
    for i, case in enumerate(states["parse"]):
        server.command("HSET", f"hero:job:{i}", "script", "x", "script_type", "osis", "status", case["text"])
        job = sup.get_job(str(i))
        assert job.is_terminal == (case["status"] in states["terminal"]), case
        if case["status"]:
            assert job.status == sup.get_status(str(i)) == case["status"]
    listed = {row["id"]: row["status"] for row in sup.list_jobs()}
    assert all(listed[str(i)] == case["status"] for i, case in enumerate(states["parse"]) if case["status"])
