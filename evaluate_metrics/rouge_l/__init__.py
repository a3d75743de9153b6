"""ROUGE-L, the F-measure of captioning."""
