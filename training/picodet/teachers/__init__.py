"""Teachers: other detectors that draw boxes on pictures which have none."""
