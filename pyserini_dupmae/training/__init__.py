"""Training: data, pre-training (Eq. 1-9), fine-tuning (Eq. 13-15), mining of negatives and teachers.

Nothing here imports encoding, indexing or searching but `mine`, which searches; a test checks that.
"""
