"""How many told slots (who, what, with what, which colour) are right."""
