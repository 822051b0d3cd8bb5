"""``python -m services.detector``: the detector alone."""

from services.common.serve import check_exposure, serve
from services.detector.app import create_app
from services.detector.settings import DetectorSettings

if __name__ == "__main__":
    settings = DetectorSettings()
    check_exposure(settings)
    serve(create_app(settings), settings)
