"""How much a film's descriptions repeat what was just said."""
