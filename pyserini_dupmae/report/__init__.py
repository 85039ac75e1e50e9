"""A page of results, self-contained HTML and Markdown: ``python -m pyserini_dupmae.report``.

`pyserini_dupmae.evaluation.results` reads the records. `overview`, `collections`, `duels`, `swept` and `training` each
make a section of `blocks` (plain data) from them, or none when the records have nothing for it; `html` (with `svg` and
`style`) and `markdown` write the blocks down.
"""
