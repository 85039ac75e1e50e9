"""DupMAE on the docstrings of Python's standard library: ``python -m pyserini_dupmae.demo``.

`docstrings` makes the collection, `systems` measures what searches it, `questions` asks in other words than the
docstrings, and `run` does all three.
"""
