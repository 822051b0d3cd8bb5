"""Calls about jobs, keys, models and readiness."""

from kenspeckle.client.call import Call, Session, path_of, reader, text_params
from kenspeckle.types import CreatedKey, HealthDetail, Job, KeyInfo, ModelInfo, Page, Role


def job_page(_: Session, *, limit: int | None = None, cursor: str | None = None) -> Call[Page[Job]]:
    """One page of the long tasks (``jobs`` gives them all)."""
    return Call("GET", "/jobs", reader(Page[Job]), params=text_params(limit=limit, cursor=cursor), repeatable=True)


def job(_: Session, job_id: str) -> Call[Job]:
    """State and progress of a long task."""
    return Call("GET", path_of("jobs", job_id), reader(Job), repeatable=True)


def cancel_job(_: Session, job_id: str) -> Call[Job]:
    """Ask a long task to stop."""
    return Call("POST", path_of("jobs", job_id, "cancel"), reader(Job))


def key_page(_: Session, *, limit: int | None = None, cursor: str | None = None) -> Call[Page[KeyInfo]]:
    """One page of the API keys, without their secrets (``keys`` gives them all)."""
    return Call("GET", "/keys", reader(Page[KeyInfo]), params=text_params(limit=limit, cursor=cursor), repeatable=True)


def create_key(_: Session, name: str, role: Role) -> Call[CreatedKey]:
    """Make an API key. The answer is the only place where its secret is shown."""
    return Call("POST", "/keys", reader(CreatedKey), json={"name": name, "role": role})


def delete_key(_: Session, key_id: str) -> Call[None]:
    """Delete an API key; it stops working at once."""
    return Call("DELETE", path_of("keys", key_id), lambda _response: None)


def models(_: Session) -> Call[list[ModelInfo]]:
    """The models that the services run."""
    return Call("GET", "/models", reader(list[ModelInfo]), repeatable=True)


def ready(_: Session) -> Call[HealthDetail]:
    """Whether everything that is needed is in order, thing by thing; not being ready is an answer, not an error."""
    return Call("GET", "/readyz", reader(HealthDetail), also_accepted=frozenset({503}), repeatable=True)
