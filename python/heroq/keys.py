"""The keys on the wire. No server is needed."""

from __future__ import annotations

from collections.abc import Iterable

from . import _heroq


def job_hash(job_id: str) -> str:
    """hero:job:{id}"""
    return _heroq.heroq_key_job_hash(job_id).decode()


def work_type(script_type: str) -> str:
    """hero:q:work:type:{type}"""
    return _heroq.heroq_key_work_type(script_type).decode()


def work_group(script_type: str, group: str) -> str:
    """hero:q:work:type:{type}:group:{group}"""
    return _heroq.heroq_key_work_group(script_type, group).decode()


def work_instance(script_type: str, group: str, instance: str) -> str:
    """hero:q:work:type:{type}:group:{group}:inst:{instance}"""
    return _heroq.heroq_key_work_instance(script_type, group, instance).decode()


def reply(job_id: str) -> str:
    """hero:q:reply:{id}"""
    return _heroq.heroq_key_reply(job_id).decode()


def stop_type(script_type: str) -> str:
    """hero:q:ctl:type:{type}"""
    return _heroq.heroq_key_stop_type(script_type).decode()


def get_actor_queue_key(script_type: str, group: str | None = None, instance: str | None = None) -> str:
    """The queue that an actor's own jobs wait in: of the instance, the group or the type, by what is given."""
    return _heroq.heroq_key_actor_queue(script_type, group, instance).decode()


def derive_script_type_from_actor_id(actor_id: str, more_types: Iterable[str] = ()) -> str:
    """The script type in an actor's id: its first token that is a known type, else its first token."""
    return _heroq.heroq_derive_script_type_from_actor_id(actor_id, ",".join(more_types) or None).decode()


def parse(key: str) -> dict[str, str]:
    """Takes a key apart: `kind`, and what it names."""
    return _heroq.heroq_key_parse(key)


def check_name(name: str) -> None:
    """Raises InvalidError, which says what is wrong, for a text that is no script type, group, instance or new id."""
    _heroq.heroq_key_check_name(name)
