"""SPICE through its reference jars."""
