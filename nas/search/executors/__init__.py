"""How trials run: in this process (`inline`) or in Ray Tune workers (`ray_tune`)."""
