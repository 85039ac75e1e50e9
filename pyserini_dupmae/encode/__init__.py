"""From a collection to its forward store and indexes: ``python -m pyserini_dupmae.encode``.

corpus (`inputs`, `fields`, `corpus`) -> windows of tokens (`window`) -> representations (`encoder`) -> shards of the
store (`pipeline`) -> indexes (`pyserini_dupmae.index`).
"""
