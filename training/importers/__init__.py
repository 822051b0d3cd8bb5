"""Weights of other frameworks, read without them and without executing anything."""
