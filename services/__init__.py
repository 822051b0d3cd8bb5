"""The three services and their composition in one process."""
