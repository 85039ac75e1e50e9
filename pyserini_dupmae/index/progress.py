"""Going through a store while showing how far it is."""

from __future__ import annotations

from collections.abc import Iterator

from tqdm import tqdm

from pyserini_dupmae.store import ForwardStore, Shard


def shards(store: ForwardStore, label: str) -> Iterator[Shard]:
    """The shards of ``store`` in order, with a bar of documents/s and time left on standard error."""
    with tqdm(total=len(store), desc=label, unit="doc", unit_scale=True) as bar:
        for shard in store.shards:
            yield shard
            bar.update(len(shard))
