"""Texts, topics, judgements and runs: one module for each form that they come in."""
