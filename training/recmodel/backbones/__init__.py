"""Backbones: one module each."""
