"""How well embeddings find, accept and refuse."""
