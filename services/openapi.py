"""The OpenAPI documents that are committed in docs/openapi: the API as clients see it."""

import json
import tempfile
from pathlib import Path

from fastapi import FastAPI

from services import standalone
from services.detector.app import create_app as create_detector
from services.detector.settings import DetectorSettings
from services.extractor.app import create_app as create_extractor
from services.extractor.settings import ExtractorSettings
from services.indexer.app import create_app as create_indexer
from services.indexer.settings import IndexerSettings


def documents() -> dict[str, str]:
    """JSON text by name: detector, extractor, indexer, standalone."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        detector, extractor, indexer = DetectorSettings(), ExtractorSettings(), IndexerSettings(data_dir=data)
        apps: dict[str, FastAPI] = {
            "detector": create_detector(detector),
            "extractor": create_extractor(extractor),
            "indexer": create_indexer(indexer),
            "standalone": standalone.create_app(detector, extractor, indexer),
        }
        return {name: json.dumps(app.openapi(), indent=1, sort_keys=True) + "\n" for name, app in apps.items()}
