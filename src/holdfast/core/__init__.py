"""What everybody may use: errors, files, processes, logs, configuration, time."""
