"""Work written as data and done as commands: what `reproduce` and `training.run` have in common.

`located` reads YAML and remembers lines, `references` fills in ``${...}``, `steps` runs commands of which each leaves a
record and is not done twice, `digests` tells whether files are still the same, `provenance` what they were made with.
"""
