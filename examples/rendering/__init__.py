"""Product-like things, a virtual camera and scenes: numpy and Pillow only, deterministic by seed."""
