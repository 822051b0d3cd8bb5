"""``python -m services.extractor``: the extractor alone."""

from services.common.serve import check_exposure, serve
from services.extractor.app import create_app
from services.extractor.settings import ExtractorSettings

if __name__ == "__main__":
    settings = ExtractorSettings()
    check_exposure(settings)
    serve(create_app(settings), settings)
