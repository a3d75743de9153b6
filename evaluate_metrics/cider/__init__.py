"""CIDEr-D with whole-set document frequencies."""
