"""``python -m services.indexer``: the indexer alone."""

from services.common.serve import check_exposure, serve
from services.indexer.app import create_app
from services.indexer.settings import IndexerSettings

if __name__ == "__main__":
    settings = IndexerSettings()
    check_exposure(settings)
    serve(create_app(settings), settings)
