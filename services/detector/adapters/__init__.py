"""HTTP adapters of the detector's ports."""
