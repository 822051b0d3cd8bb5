"""Real photos through HTTP: see ``benchmarks.grocery.__main__``."""
