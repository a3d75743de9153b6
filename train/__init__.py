"""Training: the stand-in towers, Stage I, Stage II, prediction. Used from the clone, not part of the wheel."""
