"""A connection to an agent, here or over ssh."""
