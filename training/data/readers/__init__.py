"""Labelled pictures from list files, folders, tables and exported galleries, by the names of configuration files."""

from training.data.readers import csv_table, folders, gallery, lists
from training.data.readers.base import DATASETS, ListError

__all__ = ["DATASETS", "ListError", "csv_table", "folders", "gallery", "lists"]
