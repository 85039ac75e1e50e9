"""The page's style: light and dark, on paper, and on a phone."""

CSS = """
:root { color-scheme: light dark; --page: #fff; --ink: #1c1f24; --soft: #5b6470; --rule: #d9dde3; --s0: #0068a8;
  --s1: #b35c00; --s2: #007a58; --s3: #8a4fae; --s4: #7b828c; --s5: #c2304f; --s6: #6b6f00; --s7: #20808d;
  --gain: #007a58; --loss: #c2304f; }
@media screen and (prefers-color-scheme: dark) { :root { --page: #14171b; --ink: #e6e9ed; --soft: #a2abb6;
  --rule: #363c44; --s0: #58b1ec; --s1: #f0a04b; --s2: #3fc79a; --s3: #c795e8; --s4: #8d96a1; --s5: #f57c95;
  --s6: #c9cc52; --s7: #5cc8d4; --gain: #3fc79a; --loss: #f57c95; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem clamp(.8rem, 3vw, 2rem) 3rem; max-width: 76rem; background: var(--page);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { margin: .5rem 0; font-size: 1.7rem; line-height: 1.2; }
h2 { margin: 2.2rem 0 .3rem; font-size: 1.3rem; border-bottom: 2px solid var(--rule); }
p { margin: .4rem 0; max-width: 46rem; color: var(--soft); }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1rem; }
a { color: var(--s0); }
figure { margin: 1rem 0; min-width: 0; }
figcaption { font-weight: 600; margin-bottom: .3rem; overflow-wrap: anywhere; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr)); gap: 0 2rem; }
.tables { display: flex; flex-wrap: wrap; gap: 0 2.5rem; }
.tables figure { max-width: 100%; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; text-align: right; vertical-align: top; border-bottom: 1px solid var(--rule);
  white-space: nowrap; }
thead th { vertical-align: bottom; border-bottom: 2px solid var(--soft); white-space: normal; max-width: 8rem; }
th:first-child { text-align: left; position: sticky; left: 0; background: var(--page); font-weight: 500;
  min-width: 11rem; max-width: 20rem; white-space: normal; overflow-wrap: break-word; }
td small, th small { display: block; color: var(--soft); font-weight: 400; font-size: .8em; }
.published { font-style: italic; color: var(--soft); font-weight: 400; }
.best { font-weight: 700; color: var(--ink); }
.bars { display: grid; grid-template-columns: minmax(0, max-content) 1fr max-content; gap: .15rem .6rem;
  align-items: center; font-size: .85rem; font-variant-numeric: tabular-nums; }
.bars .published { color: var(--soft); }
.bar { height: .8rem; border-radius: 0 .2rem .2rem 0; background: currentColor; }
svg { display: block; width: 100%; max-width: 30rem; height: auto; }
svg text { font: 10px system-ui, sans-serif; fill: var(--soft); }
svg .title { fill: var(--ink); text-anchor: middle; }
svg .mark { fill: var(--ink); font-size: 9px; }
svg .grid { stroke: var(--rule); stroke-width: .6; }
svg .axis { stroke: var(--ink); stroke-width: 1; }
svg .line { fill: none; stroke: currentColor; stroke-width: 1.6; stroke-linejoin: round; }
svg .dot { fill: currentColor; }
svg .gain { fill: var(--gain); } svg .loss { fill: var(--loss); }
.hybrid, .s0 { color: var(--s0); } .dense, .s1 { color: var(--s1); } .sparse, .s2 { color: var(--s2); }
.bm25, .s3 { color: var(--s3); } .s4 { color: var(--s4); } .s5 { color: var(--s5); } .s6 { color: var(--s6); }
.s7 { color: var(--s7); } .bar.published { color: var(--s4); opacity: .55; }
.d1 { stroke-dasharray: 6 3; } .d2 { stroke-dasharray: 2 2; } .d3 { stroke-dasharray: 8 2 2 2; }
.legend { display: flex; flex-wrap: wrap; gap: 0 1rem; list-style: none; margin: 0; padding: 0; font-size: .85rem; }
.legend svg { display: inline-block; width: 1.8rem; height: .7rem; margin-right: .3rem; }
footer { margin-top: 3rem; font-size: .85rem; color: var(--soft); }
@media (max-width: 40rem) { th:first-child { min-width: 6.5rem; max-width: 9.5rem; } th, td { padding: .25rem .4rem; } }
@media print { :root { color-scheme: light; }
  body { max-width: none; padding: 0; font-size: 10pt; } nav { display: none; } h2, p { break-after: avoid; }
  figure, tr { break-inside: avoid; } .scroll { overflow: visible; } table { font-size: 8pt; }
  th, td { padding: .1rem .3rem; } th:first-child { position: static; }
  .bar { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .charts { grid-template-columns: repeat(2, 1fr); } }
"""
