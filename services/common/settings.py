"""Settings that all services share. Every field is documented; docs/settings.md is made from them."""

from ipaddress import ip_address
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

MEBIBYTE = 1024 * 1024
COMMON_PREFIX = "KENSPECKLE_"


class CommonSettings(BaseSettings):
    """Read from ``KENSPECKLE_…`` environment variables.

    A service's class sets ``env_prefix="KENSPECKLE_<SERVICE>_"``; a common field is read with that prefix first
    (``KENSPECKLE_DETECTOR_PORT``), then with the common one (``KENSPECKLE_PORT``).
    """

    model_config = SettingsConfigDict(env_prefix=COMMON_PREFIX, extra="ignore", frozen=True)

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on.")
    insecure: bool = Field(default=False, description="Listen beyond loopback without keys.")
    admin_key: SecretStr | None = Field(
        default=None,
        description="A key with the role admin that is always valid; the services also use it among themselves.",
    )
    log_level: str = Field(default="info", description="debug, info, warning or error.")
    max_body_bytes: int = Field(default=20 * MEBIBYTE, ge=1024, description="Largest request body with a picture.")
    max_pixels: int = Field(default=50_000_000, ge=1024, description="Most pixels of a picture, from its header.")
    drain_seconds: float = Field(default=10.0, ge=0, description="Time for running requests to end after SIGTERM.")
    models_dir: Path = Field(default=Path("models"), description="Folder of the model bundles.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, EnvSettingsSource(settings_cls, env_prefix=COMMON_PREFIX)


def is_loopback(host: str) -> bool:
    """Whether an address is reachable from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
