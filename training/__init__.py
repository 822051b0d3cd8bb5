"""Training of the models: data, networks, losses, evaluation, export."""
