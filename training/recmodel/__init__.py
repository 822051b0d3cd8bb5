"""RecModel: backbone, neck and head of the embedding network."""
