"""Assigners: which cells learn which box."""

from training.picodet.assign.atss import atss
from training.picodet.assign.base import Assignment
from training.picodet.assign.simota import simota
from training.picodet.assign.tal import task_aligned

__all__ = ["Assignment", "atss", "simota", "task_aligned"]
