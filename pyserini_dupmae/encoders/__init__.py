"""DupMAE behind Pyserini's encoder interfaces."""

from pyserini_dupmae.encoders.document import DupMAEDocumentEncoder
from pyserini_dupmae.encoders.impact import DupMAEImpactQueryEncoder
from pyserini_dupmae.encoders.query import DupMAEQueryEncoder

__all__ = ["DupMAEDocumentEncoder", "DupMAEImpactQueryEncoder", "DupMAEQueryEncoder"]
