"""HTTP of the indexer: parse, call, answer."""
