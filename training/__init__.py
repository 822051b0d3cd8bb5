"""Training of the models that the services run. Imports kenspeckle, never services."""
