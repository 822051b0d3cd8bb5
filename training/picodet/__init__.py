"""PicoDet: class-agnostic detection of the main objects of a photo."""
