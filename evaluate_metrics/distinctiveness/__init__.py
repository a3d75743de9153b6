"""Share of the distinctive words of a window that the predictions recover."""
