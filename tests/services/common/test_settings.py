"""Settings from the environment, and the refusal to listen to everybody."""

import pytest
from pydantic import Field, ValidationError
from pydantic_settings import SettingsConfigDict

from services.common.serve import check_exposure
from services.common.settings import CommonSettings, is_loopback


class ProbeSettings(CommonSettings):
    """A service's settings."""

    model_config = SettingsConfigDict(env_prefix="KENSPECKLE_PROBE_", extra="ignore", frozen=True)

    depth: int = Field(default=3)


def test_common_fields_are_read_with_the_services_prefix_then_with_the_common_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert ProbeSettings().port == 8000
    monkeypatch.setenv("KENSPECKLE_PORT", "9000")
    assert ProbeSettings().port == 9000
    monkeypatch.setenv("KENSPECKLE_PROBE_PORT", "9001")
    assert ProbeSettings().port == 9001
    assert CommonSettings().port == 9000
    assert ProbeSettings(port=9002).port == 9002


def test_own_fields_are_read_with_the_services_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KENSPECKLE_PROBE_DEPTH", "7")
    assert ProbeSettings().depth == 7


def test_a_value_out_of_range_is_refused_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KENSPECKLE_PORT", "70000")
    with pytest.raises(ValidationError, match="port"):
        ProbeSettings()


def test_the_admin_key_is_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KENSPECKLE_ADMIN_KEY", "s3cret")
    settings = ProbeSettings()
    assert "s3cret" not in repr(settings)
    assert settings.admin_key is not None
    assert settings.admin_key.get_secret_value() == "s3cret"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example.org", False),
        ("", False),
    ],
)
def test_loopback_is_told_from_the_rest(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_listening_beyond_loopback_needs_a_key_or_an_explicit_word() -> None:
    with pytest.raises(SystemExit, match="KENSPECKLE_ADMIN_KEY"):
        check_exposure(CommonSettings(host="0.0.0.0"))
    check_exposure(CommonSettings(host="127.0.0.1"))
    check_exposure(CommonSettings(host="0.0.0.0", insecure=True))
    check_exposure(CommonSettings.model_validate({"host": "0.0.0.0", "admin_key": "k"}))
    check_exposure(CommonSettings(host="0.0.0.0"), has_keys=True)
