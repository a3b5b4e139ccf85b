"""What `--device` names: profiles, and their check."""
