"""The detector model behind the pool of threads."""

import asyncio
from pathlib import Path

from structlog.testing import capture_logs

from services.common.metrics import Metrics
from services.detector.eyes import Eyes
from services.detector.settings import DetectorSettings


def test_a_bundle_that_is_refused_is_named_by_the_check_and_logged(tmp_path: Path) -> None:
    eyes = Eyes(DetectorSettings(models_dir=tmp_path), Metrics("detector"))
    with capture_logs() as logs:
        asyncio.run(eyes.start())
    eyes.close()
    assert str(tmp_path) in eyes.check()
    (refused,) = (one for one in logs if one["event"] == "bundle_refused")
    assert refused["reason"] == eyes.check()
