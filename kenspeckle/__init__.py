"""Kenspeckle: self-hosted recognition of one's own things.

This package is what everybody shares: wire types, geometry, decisions, model bundles, the client and the
command line. The services and the training package live beside it and import it, never the reverse.
"""

__version__ = "0.1.0"
