"""The demo: serve the stack, enrol rendered things, recognise rendered photos, and show what came out."""
