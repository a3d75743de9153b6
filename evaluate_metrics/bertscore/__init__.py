"""BERTScore of each prediction with its own truth."""
