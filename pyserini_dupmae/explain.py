"""Why a document has its score: Eq. 12 taken apart into [CLS] and the tokens that carry it.

python -m pyserini_dupmae.explain --index OUT --encoder MODEL --query "how tides arise" --docid D17
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pyserini_dupmae.modeling.default import DEFAULT_MODEL
from pyserini_dupmae.modeling.query_encoder import EncodedQuery
from pyserini_dupmae.search import DupMAESearcher
from pyserini_dupmae.util.command import positive_int, run_command
from pyserini_dupmae.util.errors import UserError


@dataclass(frozen=True)
class TokenShare:
    """One term of the sum in Eq. 12: ``contribution`` is ``query_weight`` times ``document_weight``."""

    token: str
    query_weight: float
    document_weight: float
    contribution: float


@dataclass(frozen=True)
class Explanation:
    """The score of one document, its two parts, and every token that carries the second, largest first."""

    docid: str
    score: float
    cls_score: float
    ot_score: float
    tokens: list[TokenShare]

    def table(self, tokens: int = 20) -> str:
        """Plain text, with the ``tokens`` largest tokens in full and the others as one line."""
        heading = f"{'part':<20}{'contribution':>14}{'share':>8}{'query':>10}{'document':>10}"
        lines = [f"{self.docid}: score {self.score:.6f}", heading, self._line("[CLS]", self.cls_score)]
        for share in self.tokens[:tokens]:
            weights = f"{share.query_weight:10.4f}{share.document_weight:10.4f}"
            lines.append(self._line(share.token, share.contribution) + weights)
        rest = self.tokens[tokens:]
        if rest:
            lines.append(self._line(f"{len(rest)} more tokens", sum(share.contribution for share in rest)))
        return "\n".join(lines)

    def _line(self, part: str, contribution: float) -> str:
        share = f"{contribution / self.score:8.1%}" if self.score else " " * 8
        return f"{part:<20}{contribution:14.6f}{share}"


def explain(searcher: DupMAESearcher, query: str | EncodedQuery, docid: str) -> Explanation:
    """Take apart the score of the document ``docid`` for ``query``; a `UserError` when there is no such document."""
    exact = searcher.sources.exact
    (encoded,) = searcher.encode([query])
    try:
        rows = np.array([exact.docids.index(docid)])
    except ValueError:
        raise UserError(f"there is no document {docid!r} among the {len(exact.docids)} of the index") from None
    (cls,), (ot,) = exact.parts(encoded, rows)
    _, (token_ids,), (weights,) = exact.store.gather(rows, exact.top_k)
    token_ids, weights = token_ids.astype(np.int64), weights.astype(np.float64)
    query_weights = encoded.mu(exact.store.model.vocab_size)[token_ids].astype(np.float64)
    contributions = query_weights * weights
    order = np.argsort(-contributions, kind="stable")
    order = order[contributions[order] != 0]
    columns = [column[order].tolist() for column in (token_ids, query_weights, weights, contributions)]
    terms = exact.store.terms
    tokens = [TokenShare(terms[i], *numbers) for i, *numbers in zip(*columns, strict=True)]
    score, cls, ot = (float(np.float32(value)) for value in (cls + ot, cls, ot))
    return Explanation(docid, score, cls, ot, tokens)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m pyserini_dupmae.explain", description="Take a score apart.")
    parser.add_argument("--index", required=True, help="folder that was --embeddings of pyserini_dupmae.encode")
    parser.add_argument("--encoder", help="the DupMAE model that encoded the collection (default: the package's own)")
    parser.add_argument("--query", required=True, help="text of the query")
    parser.add_argument("--docid", required=True, help="the document")
    parser.add_argument("--tokens", type=positive_int, default=20, metavar="N", help="tokens to print (default: 20)")
    args = parser.parse_args(argv)
    searcher = DupMAESearcher(args.index, args.encoder or DEFAULT_MODEL)
    print(explain(searcher, args.query, args.docid).table(args.tokens))


if __name__ == "__main__":
    run_command(main)
