"""Running an application as a process."""

import sys

import uvicorn
from fastapi import FastAPI

from services.common.logging import configure
from services.common.settings import CommonSettings, is_loopback

# Longer than clients and proxies keep an idle connection: who closes first must not be the one who is being written to.
KEEP_ALIVE_S = 75


def check_exposure(settings: CommonSettings, has_keys: bool = False) -> None:
    """Refuse to listen beyond loopback without keys.

    Args:
        has_keys: keys exist elsewhere (in the gallery's database).

    Raises:
        SystemExit: with a sentence on what to set.
    """
    open_to_all = settings.admin_key is None and not has_keys and not settings.insecure
    if open_to_all and not is_loopback(settings.host):
        sys.exit(
            f"Refusing to listen on {settings.host} without keys: set KENSPECKLE_ADMIN_KEY to a long random key, "
            "listen on 127.0.0.1, or say --insecure (KENSPECKLE_INSECURE=true)."
        )


def serve(app: FastAPI, settings: CommonSettings) -> None:
    """Serve until SIGTERM or SIGINT; running requests get ``drain_seconds`` to end."""
    configure(settings.log_level)
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
        timeout_keep_alive=KEEP_ALIVE_S,
    )
