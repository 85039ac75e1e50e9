"""Run matrices: conditions written as data, the commands that they stand for, and a check of what came out.

`located` reads YAML and remembers lines, `matrix` multiplies entries out, `schema` says what a condition may hold and
`catalogue` gathers the conditions that are shipped. `sources` finds the files of a collection, `plan` turns a
condition into `steps` (each one a command), `checks` compares, `provenance` records, `runner` does all of it in order.
"""
