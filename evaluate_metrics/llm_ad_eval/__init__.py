"""LLM-AD-eval: a chat model marks each prediction from 0 to 5."""
