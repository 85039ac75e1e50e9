"""From a collection to its forward store and indexes: ``python -m pyserini_dupmae.encode``.

texts (`pyserini_dupmae.data`) -> windows of tokens and their representations (`windows`) -> shards of the store
(`pipeline`), by one process or several (`workers`), in the output folder (`output`) -> indexes
(`pyserini_dupmae.index`). `collection` puts them together; `queries` encodes topics for Pyserini's commands.
"""
