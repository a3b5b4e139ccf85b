"""The frozen design, its canonical key, and its Ultralytics YAML."""
