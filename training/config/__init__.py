"""Configuration of training."""
