"""API keys: who may do what."""

import hashlib
import secrets
import threading
from collections.abc import Mapping

from kenspeckle.types import CreatedKey, KeyInfo, Page, Role
from services.common.errors import Conflict, NotFound
from services.common.keys import is_same
from services.indexer.ids import uuid7
from services.indexer.store import keys as store
from services.indexer.store import listing
from services.indexer.store.database import Database

PREFIX = "ksp_"
MAX_KEYS = 10_000


class Keys:
    """A ``services.common.keys.KeyAuthority`` over the database and the admin key of the settings.

    Secrets are 256 random bits, so that a plain SHA-256 of them is safe to store. All hashes are kept in memory:
    a look-up costs no query, and a key that is deleted is refused from that moment on.
    """

    def __init__(self, database: Database, admin_key: str | None) -> None:
        self._database = database
        self._admin_key = admin_key
        self._lock = threading.Lock()
        self._roles: Mapping[str, Role] = {}

    def load(self) -> None:
        """Read the keys from the database."""
        with self._database.read() as connection:
            self._roles = {digest: info.role for info, digest in store.all_keys(connection)}

    async def role_of(self, token: str | None) -> Role | None:
        """Role of ``token``; ``admin`` for everybody while no key exists; None if the token is not valid."""
        if self._admin_key is None and not self._roles:
            return "admin"
        if token is None:
            return None
        if self._admin_key is not None and is_same(token, self._admin_key):
            return "admin"
        return self._roles.get(_digest(token))

    def create(self, name: str, role: Role) -> CreatedKey:
        """Make a key; this is the only time that its secret is known.

        Raises:
            Conflict: if nobody could manage the service afterwards, or there are too many keys.
        """
        secret = PREFIX + secrets.token_urlsafe(32)
        with self._lock:
            if role != "admin" and not self._has_admin(self._roles):
                raise Conflict("the first key must have the role admin, or nobody could make another one", "role")
            if len(self._roles) >= MAX_KEYS:
                raise Conflict(f"there are {MAX_KEYS} keys already; delete some")
            with self._database.write() as connection:
                info = store.add_key(connection, uuid7(), name, role, _digest(secret))
            self._roles = {**self._roles, _digest(secret): role}
        return CreatedKey(key=secret, **info.model_dump())

    def list(self, limit: int, cursor: str | None) -> Page[KeyInfo]:
        """Keys without their secrets, oldest first."""
        after = listing.place_of(cursor)
        with self._database.read() as connection:
            infos = [info for info, _ in store.all_keys(connection) if info.id > after]
        following = listing.cursor_of(infos[limit - 1].id) if len(infos) > limit else None
        return Page(items=infos[:limit], next_cursor=following)

    def delete(self, key_id: str) -> None:
        """Delete a key, effective at once.

        Raises:
            NotFound: if there is none of this id.
            Conflict: if it is the last one of an administrator: without it everybody or nobody would be one.
        """
        with self._lock:
            with self._database.write() as connection:
                if not store.remove_key(connection, key_id):
                    raise NotFound(f"there is no key “{key_id}”")
                left = {digest: info.role for info, digest in store.all_keys(connection)}
                if not self._has_admin(left):
                    raise Conflict("this is the last key with the role admin; make another one first")
            self._roles = left

    def _has_admin(self, roles: Mapping[str, Role]) -> bool:
        return self._admin_key is not None or "admin" in roles.values()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
