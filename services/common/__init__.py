"""What every service needs: settings, problems, keys, limits, health, logs, metrics."""
