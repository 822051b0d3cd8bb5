"""The use case of the extractor without HTTP."""

import asyncio
from pathlib import Path

from structlog.testing import capture_logs

from services.common.metrics import Metrics
from services.extractor.extraction import Extraction
from services.extractor.settings import ExtractorSettings


def test_a_bundle_that_is_refused_is_named_by_the_checks_and_logged(tmp_path: Path) -> None:
    extraction = Extraction(ExtractorSettings(models_dir=tmp_path), Metrics("extractor"))
    with capture_logs() as logs:
        asyncio.run(extraction.start())
    (reason,) = asyncio.run(extraction.checks()).values()
    (refused,) = (one for one in logs if one["event"] == "bundle_refused")
    assert refused["reason"] == reason
    assert str(tmp_path) in reason
