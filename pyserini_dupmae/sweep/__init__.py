"""What d', k, the bits of a weight and the terms of a query cost and bring, measured from one encoding.

Data flows one way: `settings` says what is measured and `inputs` on what, `reduction` and `indexes` make it searchable
from the forward store, `trial` searches and measures, and the records that come out are those a report is made from.
"""
