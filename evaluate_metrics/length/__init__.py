"""Length ratio and words per second."""
