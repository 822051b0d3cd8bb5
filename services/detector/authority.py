"""Who may do what: the indexer knows the keys, the detector remembers its answers for a moment."""

import hashlib
import time
from collections import OrderedDict

from kenspeckle.types import Role
from services.detector.ports import Indexer

REMEMBERED_SECONDS = 10.0
MOST_REMEMBERED = 1024


class IndexerAuthority:
    """See ``services.common.keys.KeyAuthority``. A valid key is remembered for at most ten seconds."""

    def __init__(self, indexer: Indexer) -> None:
        self._indexer = indexer
        self._roles: OrderedDict[str, tuple[Role, float]] = OrderedDict()

    async def role_of(self, token: str | None) -> Role | None:
        """Role of a token, None if it is not valid.

        Raises:
            NotReady: if the indexer cannot be asked.
        """
        place = "" if token is None else hashlib.sha256(token.encode()).hexdigest()
        role, until = self._roles.get(place, (None, 0.0))
        if role is not None and time.monotonic() < until:
            return role
        role = await self._indexer.role_of(token)
        self._roles.pop(place, None)
        if role is not None:
            self._roles[place] = role, time.monotonic() + REMEMBERED_SECONDS
            if len(self._roles) > MOST_REMEMBERED:
                self._roles.popitem(last=False)
        return role
