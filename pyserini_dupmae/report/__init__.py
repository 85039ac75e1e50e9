"""A page of results, self-contained HTML and Markdown: ``python -m pyserini_dupmae.report``.

`pyserini_dupmae.evaluation.results` reads the records. `scores`, `per_query`, `tradeoff`, `training` and `origin` each
make sections of `blocks` (plain data) from them, or none when the records have nothing for it; `page` writes the
sections down, with its template, its style and its script. `charts` has the drawings, as specifications for Vega-Lite
and Vega, which the page carries with it. `labels` names what was measured.
"""
