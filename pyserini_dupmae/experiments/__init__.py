"""Experiments written as data and run as commands: recipes train a model, conditions check its numbers.

`schema` says what a file may hold and `reader` reads one: `yaml_lines` remembers the line of everything, `references`
fills in ``${...}`` and multiplies matrices out. `inputs` finds what an experiment starts from, `planning` makes steps
of its commands, and `steps` runs them, each once, and leaves a record: what went in, what came out, `provenance`.

`recipes` has `run_recipe`. `conditions` has `reproduce`: `catalogue` gathers the conditions, `condition_steps` says
what steps one stands for, `checks` compares what came out, `prepare` and `statistics` are what only its steps need.
`made_up` is the collection of the recipe ``tiny``, `published` has the numbers of others.
"""
