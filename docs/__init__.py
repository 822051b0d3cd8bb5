"""The documents, and ``python -m docs.check``."""
