from __future__ import annotations

import pytest

from pyserini_dupmae.modeling import DupMAEModel
from pyserini_dupmae.search import DupMAESearcher
from pyserini_dupmae.search.explanation import explain
from pyserini_dupmae.util.errors import UserError

QUERY = "draw a circle with the turtle"


@pytest.fixture(scope="module")
def searcher(encoded, tiny_model_dir):
    searcher = DupMAESearcher(encoded, str(tiny_model_dir))
    yield searcher
    searcher.close()


def test_parts_add_up_to_the_score_of_the_hit(searcher):
    for hit in searcher.search(QUERY, k=20):
        explanation = explain(searcher, query=QUERY, docid=hit.docid)
        assert (explanation.score, explanation.cls_score, explanation.ot_score) == pytest.approx(hit[1:], rel=1e-6)
        contributions = [share.contribution for share in explanation.tokens]
        assert sum(contributions) == pytest.approx(explanation.ot_score, rel=1e-5)
        assert contributions == sorted(contributions, reverse=True)


def test_tokens_are_those_of_the_model(searcher, tiny_model_dir, corpus):
    model = DupMAEModel.from_pretrained(tiny_model_dir)
    docid, text = corpus[7]
    query = model.encode_texts([QUERY], max_length=model.config.query_max_length, full_bow=True).bow[0]
    document = model.encode_texts([text])
    kept = dict(zip(document.token_ids[0].tolist(), document.weights[0].tolist(), strict=True))
    expected = {model.terms[i]: (query[i].item(), weight) for i, weight in kept.items() if query[i] * weight > 0}
    shares = {share.token: share for share in explain(searcher, query=QUERY, docid=docid).tokens}
    assert shares.keys() == expected.keys()
    for token, (query_weight, weight) in expected.items():
        assert shares[token].query_weight == pytest.approx(query_weight, rel=1e-4)
        assert shares[token].document_weight == pytest.approx(weight, rel=1e-4)
        assert shares[token].contribution == pytest.approx(query_weight * weight, rel=1e-4)


def test_a_long_table_ends_with_what_is_left(searcher, corpus):
    explanations = [explain(searcher, query=QUERY, docid=docid) for docid, _ in corpus]
    explanation = max(explanations, key=lambda explanation: len(explanation.tokens))
    full, short = explanation.table(1000).splitlines(), explanation.table(2).splitlines()
    assert len(full) == 4 + len(explanation.tokens)
    assert len(short) == 7
    assert full[:6] == short[:6]
    assert short[6].startswith(f"  {len(explanation.tokens) - 2} more ")
    dense, sparse = (float(line.split()[-2]) for line in full[2:4])
    assert dense + sparse == pytest.approx(explanation.score, abs=1e-4)
    assert sum(float(line.split()[-4]) for line in full[4:]) == pytest.approx(sparse, abs=1e-4)


def test_a_folder_is_opened_for_it(encoded, tiny_model_dir, searcher, corpus):
    docid = corpus[7][0]
    explanation = explain(encoded, query=QUERY, docid=docid, encoder=tiny_model_dir)
    assert explanation == explain(searcher, query=QUERY, docid=docid)
    assert str(explanation) == explanation.table()


def test_an_unknown_document(searcher):
    with pytest.raises(UserError, match="there is no document 'nothing' among the 301"):
        explain(searcher, query=QUERY, docid="nothing")


def test_the_command(encoded, tiny_model_dir, searcher, run_command):
    (hit,) = searcher.search(QUERY, k=1)
    options = ["--index", str(encoded), "--encoder", str(tiny_model_dir), "--query", QUERY, "--docid"]
    finished = run_command("explain", *options, hit.docid)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.rstrip("\n") == explain(searcher, query=QUERY, docid=hit.docid).table()
    assert f"{hit.docid}: score {hit.score:.6f}" in finished.stdout
    failed = run_command("explain", *options, "nothing")
    assert failed.returncode == 2
    assert failed.stderr.splitlines()[-1].startswith("error: there is no document 'nothing'")
