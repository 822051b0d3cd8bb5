"""How well a detector boxes the main objects, on what ships and on what is compared with it."""
