"""The metric-learning scripts of 2018 with their flags."""
