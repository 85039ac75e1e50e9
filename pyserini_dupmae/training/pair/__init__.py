"""Fine-tuning with BM25 and a bi-encoder, added up, as the teacher: what made the model that comes with the package.

The pair scores any text for any query by two products of matrices, so it judges all documents of a batch for all of its
queries, whether anybody ever labelled them or not.
"""
