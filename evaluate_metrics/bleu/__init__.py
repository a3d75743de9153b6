"""BLEU 1 to 4 as captioning computes it."""
