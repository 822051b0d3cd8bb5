"""Settings that all services share. Every field is documented; docs/settings.md is made from them."""

from ipaddress import ip_address
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

MEBIBYTE = 1024 * 1024


class CommonSettings(BaseSettings):
    """Read from ``KENSPECKLE_…`` environment variables; a service adds its own with its own prefix."""

    model_config = SettingsConfigDict(env_prefix="KENSPECKLE_", extra="ignore", frozen=True)

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on.")
    insecure: bool = Field(default=False, description="Listen beyond loopback without keys.")
    admin_key: SecretStr | None = Field(
        default=None,
        description="A key with the role admin that is always valid; the services also use it among themselves.",
    )
    log_level: str = Field(default="info", description="debug, info, warning or error.")
    max_body_bytes: int = Field(default=20 * MEBIBYTE, ge=1024, description="Largest request body with a picture.")
    drain_seconds: float = Field(default=10.0, ge=0, description="Time for running requests to end after SIGTERM.")
    models_dir: Path = Field(default=Path("models"), description="Folder of the model bundles.")


def is_loopback(host: str) -> bool:
    """Whether an address is reachable from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
