"""All of training as one command: a recipe says which commands are run, each depending on what others leave.

`schema` says what a recipe may hold, `recipe` reads one, `given` finds the files it starts from, `plan` turns it into
steps (`pyserini_dupmae.experiments`), `runner` runs them, `results` gathers what `evaluate` measured.
`language` and `generate` make a small collection to learn from, for the recipe ``tiny``.
"""
