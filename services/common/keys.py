"""Keys and roles: who may do what."""

import hmac
from typing import Protocol

from fastapi import Request

from kenspeckle.types import Role
from services.common.context import current
from services.common.errors import Forbidden, Unauthorized

RANK: dict[Role, int] = {"recognize": 0, "curate": 1, "admin": 2}


class KeyAuthority(Protocol):
    """Knows the role of a token."""

    async def role_of(self, token: str | None) -> Role | None:
        """Role of ``token``; ``admin`` for everybody while no key exists; None if the token is not valid."""
        ...


class AdminKeyAuthority:
    """Knows the admin key of the settings alone; without one, everybody may do everything."""

    def __init__(self, admin_key: str | None) -> None:
        self._admin_key = admin_key

    async def role_of(self, token: str | None) -> Role | None:
        if self._admin_key is None or (token is not None and is_same(token, self._admin_key)):
            return "admin"
        return None


def is_same(token: str, secret: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(token.encode(), secret.encode())


async def require(authority: KeyAuthority, role: Role) -> Role:
    """The caller's role, if it is at least ``role``.

    Raises:
        Unauthorized: without a valid key.
        Forbidden: if the key's role is lower.
    """
    token = current().token
    held = await authority.role_of(token)
    if held is None:
        raise Unauthorized(
            "send a valid key as 'Authorization: Bearer …'" if token is None else "this key is not known"
        )
    if RANK[held] < RANK[role]:
        raise Forbidden(f"this needs a key with the role {role}; yours has the role {held}")
    return held


class RequireRole:
    """FastAPI dependency: ``Depends(RequireRole("curate"))``. The app keeps its authority in ``state.authority``."""

    def __init__(self, role: Role) -> None:
        self.role: Role = role

    async def __call__(self, request: Request) -> Role:
        return await require(request.app.state.authority, self.role)
