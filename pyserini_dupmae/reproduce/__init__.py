"""Run matrices: conditions written as data, the commands that they stand for, and a check of what came out.

`matrix` multiplies entries out, `schema` says what a condition may hold and `catalogue` gathers the conditions that are
shipped. `sources` finds the files of a collection, `plan` turns a condition into steps (`pyserini_dupmae.experiments`),
`checks` compares, `runner` does all of it in order.
"""
