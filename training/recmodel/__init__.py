"""RecModel: backbone, neck and head for metric learning."""
