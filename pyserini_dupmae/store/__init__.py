"""The forward store: every document's [CLS] and bag of words, the one source of truth for all indexes.

A store is a folder of shards, each one safetensors file that is complete or absent, and ``store.json``, which is
written last: a folder without it is unfinished. The order of documents is the order of the collection; a document's
row in the store is its position in the FAISS index and its number in Lucene.
"""

from pyserini_dupmae.store.shard import Shard, write_shard
from pyserini_dupmae.store.store import STORE_JSON, ForwardStore, Piece, StoreInfo

__all__ = ["STORE_JSON", "ForwardStore", "Piece", "Shard", "StoreInfo", "write_shard"]
