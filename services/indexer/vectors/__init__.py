"""Vector indexes and what is derived from them."""
