"""One training loop for every network: optimisers, schedules, checkpoints, run folders."""
