"""What every package may use: files, locks, units, text, processes. Each module stands alone."""
