"""Hard negatives from an index of the current model: `run` has the function, `selection` says which hits stay."""
