"""What the detector remembers of keys."""

import asyncio

import pytest

from kenspeckle.types import Role
from services.common.errors import NotReady
from services.detector import authority
from services.detector.authority import IndexerAuthority


class Keys:
    """Counts questions. Only its ``role_of`` is used."""

    def __init__(self, **roles: Role) -> None:
        self.roles = roles
        self.asked = 0

    async def role_of(self, token: str | None) -> Role | None:
        self.asked += 1
        return self.roles.get(token or "nobody")


def test_a_valid_key_is_remembered_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = Keys(alice="curate")
    remembered = IndexerAuthority(keys)  # type: ignore[arg-type]
    assert [asyncio.run(remembered.role_of("alice")) for _ in range(5)] == ["curate"] * 5
    assert keys.asked == 1
    monkeypatch.setattr(authority, "REMEMBERED_SECONDS", -1.0)
    remembered = IndexerAuthority(keys)  # type: ignore[arg-type]
    keys.roles.clear()
    assert asyncio.run(remembered.role_of("alice")) is None


def test_an_invalid_key_is_asked_about_again() -> None:
    keys = Keys()
    remembered = IndexerAuthority(keys)  # type: ignore[arg-type]
    assert asyncio.run(remembered.role_of("bob")) is None
    keys.roles["bob"] = "recognize"
    assert asyncio.run(remembered.role_of("bob")) == "recognize"


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authority, "MOST_REMEMBERED", 3)
    keys = Keys(**dict.fromkeys("abcdef", "recognize"))
    remembered = IndexerAuthority(keys)  # type: ignore[arg-type]
    for token in "abcdef":
        asyncio.run(remembered.role_of(token))
    assert len(remembered._roles) == 3


def test_an_indexer_out_of_reach_is_not_taken_for_a_refusal() -> None:
    class Gone:
        async def role_of(self, token: str | None) -> Role | None:
            raise NotReady("gone")

    with pytest.raises(NotReady):
        asyncio.run(IndexerAuthority(Gone()).role_of("x"))  # type: ignore[arg-type]
