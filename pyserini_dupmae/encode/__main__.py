"""Encode a collection: ``python -m pyserini_dupmae.encode input ... output ... encoder ...``.

For example::

    python -m pyserini_dupmae.encode \\
        input --corpus collection.jsonl \\
        output --embeddings OUT \\
        encoder --encoder MODEL

writes ``OUT/store`` (the forward store), ``OUT/faiss`` and ``OUT/lucene``. Interrupted, the same command goes on.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from itertools import islice

import torch

from pyserini_dupmae.data.corpus import Corpus, shard_range
from pyserini_dupmae.encode.arguments import parse
from pyserini_dupmae.encode.output import INDEXES, Output
from pyserini_dupmae.encode.pipeline import encode_store
from pyserini_dupmae.encode.settings import Settings
from pyserini_dupmae.modeling.default import DEFAULT_MODEL
from pyserini_dupmae.modeling.loading import LoadedModel, load_model
from pyserini_dupmae.util.command import run_command
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.log import logger, show

GPU_BATCH_SIZE = 256
CPU_BATCH_SIZE = 32  # larger ones do not fit the caches


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with the arguments ``argv``, by default those of the command line."""
    args = parse(argv)
    show()
    source, target, encoder = args.input, args.output, args.encoder
    output = Output(target.embeddings, _indexes(target))
    output.admit(target.resume, target.overwrite)
    _require_tools(output.indexes if target.overwrite else output.missing_indexes(), encoder.quantization_bits)
    corpus = _corpus(source)
    device = encoder.device or ("cuda" if torch.cuda.is_available() else "cpu")
    model_name = encoder.encoder or DEFAULT_MODEL
    loaded = load_model(model_name, device, encoder.dtype)
    settings = _settings(args, loaded)
    if not target.overwrite:
        output.require_same(settings)
    documents = corpus.survey().documents
    part = shard_range(documents, source.shard_id, source.shard_num)
    if target.overwrite:
        output.clear()
    started = time.perf_counter()
    encoded = encode_store(islice(corpus, part.start, part.stop), len(part), loaded.model, settings, output.store)
    seconds = time.perf_counter() - started
    _build_indexes(output, target.faiss_factory, encoder.quantization_bits)
    print(
        f"{len(part)} documents, {encoded} of them encoded in {seconds:.1f} s ({encoded / seconds:.1f} a second); "
        f"{output.size():,} bytes in {output.folder}"
    )
    print(_next_command(output, model_name))


def _indexes(target: argparse.Namespace) -> list[str]:
    asked = [name for name in INDEXES if getattr(target, f"to_{name}")]
    if target.store_only and asked:
        raise UserError(f"--store-only and --to-{asked[0]} exclude each other; leave one out")
    return [] if target.store_only else asked or ["faiss", "lucene"]


def _corpus(source: argparse.Namespace) -> Corpus:
    return Corpus.open(
        source.corpus,
        source.ir_dataset,
        fields=source.fields,
        delimiter=source.delimiter,
        docid_field=source.docid_field,
        skip=source.on_error == "skip",
    )


def _settings(args: argparse.Namespace, loaded: LoadedModel) -> Settings:
    source, target, encoder = args.input, args.output, args.encoder
    config, device = loaded.model.config, loaded.model.device.type
    try:
        max_length = config.check_length("--max-length", encoder.max_length or config.doc_max_length)
    except ValueError as error:
        raise UserError(str(error)) from None
    return Settings(
        model=loaded.identity,
        max_length=max_length,
        dtype=encoder.dtype,
        device=device,
        top_k=min(encoder.top_k or config.top_k, config.vocab_size),
        batch_size=encoder.batch_size or (CPU_BATCH_SIZE if device == "cpu" else GPU_BATCH_SIZE),
        shard_size=target.shard_size,
        store_contents=target.store_contents,
        fields=source.fields,
        delimiter=source.delimiter,
        docid_field=source.docid_field,
        shard_id=source.shard_id,
        shard_num=source.shard_num,
        on_error=source.on_error,
    )


def _require_tools(indexes: Sequence[str], bits: int) -> None:
    """Raise `UserError` now, not after hours of encoding, if the indexes cannot be built on this machine."""
    if not indexes:
        return
    from pyserini_dupmae import jvm
    from pyserini_dupmae.index.faiss import import_faiss
    from pyserini_dupmae.index.quantisation import Quantisation

    Quantisation.of(0, bits)
    if "faiss" in indexes:
        import_faiss()
    if "lucene" in indexes:
        jvm.start()


def _build_indexes(output: Output, faiss_factory: str, bits: int) -> None:
    missing = output.missing_indexes()
    if missing:
        from pyserini_dupmae.index import build

        logger.info("writing %s", " and ".join(missing))
        wanted = {name: name in missing for name in INDEXES}
        build([output.store], output.folder, **wanted, faiss_factory=faiss_factory, bits=bits)


def _next_command(output: Output, model_name: str) -> str:
    if {"faiss", "lucene"} <= set(output.indexes):
        from pyserini_dupmae.index import search_command

        return f"search it with:\n{search_command(output.folder, model_name)}"
    return (
        f"make it searchable with:\npython -m pyserini_dupmae.index --embeddings {output.folder} --to-faiss --to-lucene"
    )


if __name__ == "__main__":
    run_command(main)
