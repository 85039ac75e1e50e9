"""Numbers that others have published, from Tables 1 and 2 of the DupMAE paper (arXiv 2211.08769), by collection."""

from __future__ import annotations

Scores = dict[str, dict[str, float]]
"""system -> metric -> value."""

_TABLE_1_COLUMNS = (("dev", "MRR@10"), ("dev", "R@50"), ("dev", "R@1000"), ("dl19", "nDCG@10"), ("dl20", "nDCG@10"))
_TABLE_1: dict[str, tuple[float | None, ...]] = {
    "ANCE": (0.330, None, 0.959, 0.648, 0.615),
    "SEED": (0.339, None, 0.961, None, None),
    "ADORE": (0.347, None, None, 0.683, None),
    "Condenser": (0.366, None, 0.974, 0.698, None),
    "coCondenser": (0.382, None, 0.984, 0.717, 0.684),
    "TAS-B": (0.340, None, 0.975, 0.712, 0.693),
    "RocketQAv2": (0.388, 0.862, 0.981, None, None),
    "AR2": (0.395, 0.878, 0.986, None, None),
    "AR2+SimANS": (0.409, 0.887, 0.987, None, None),
    "SPLADEv2": (0.368, None, 0.979, 0.729, None),
    "ColBERTv2": (0.397, 0.868, 0.984, None, None),
    "ERNIE-Search": (0.401, 0.877, 0.982, None, None),
    "SimLM": (0.411, 0.878, 0.987, 0.714, 0.697),
    "RetroMAE": (0.416, 0.885, 0.988, 0.681, 0.706),
    "DupMAE stage 2 (paper)": (0.4102, 0.8875, 0.9874, 0.7128, 0.7095),
    "DupMAE stage 3 (paper)": (0.4258, 0.8966, 0.9893, 0.7509, 0.7083),
}
_MSMARCO = ("msmarco-v1-passage", "msmarco-v1-passage-title")

_TABLE_2_SYSTEMS = (
    "BM25 (paper)", "BERT", "SEED", "Condenser", "Contriever", "GTR-base", "GTR-XXL", "RetroMAE", "DupMAE (paper)",
)  # fmt: skip
_TABLE_2: dict[str, tuple[float, ...]] = {
    "beir-trec-covid": (0.656, 0.615, 0.627, 0.750, 0.596, 0.539, 0.501, 0.772, 0.728),
    "beir-bioasq": (0.465, 0.253, 0.308, 0.322, 0.383, 0.271, 0.324, 0.421, 0.508),
    "beir-nfcorpus": (0.325, 0.260, 0.278, 0.277, 0.328, 0.308, 0.342, 0.308, 0.346),
    "beir-nq": (0.329, 0.467, 0.446, 0.486, 0.498, 0.495, 0.568, 0.518, 0.570),
    "beir-hotpotqa": (0.603, 0.488, 0.541, 0.538, 0.638, 0.535, 0.599, 0.635, 0.681),
    "beir-fiqa": (0.236, 0.252, 0.259, 0.259, 0.329, 0.349, 0.467, 0.316, 0.345),
    "beir-signal1m": (0.330, 0.204, 0.256, 0.261, 0.199, 0.261, 0.273, 0.265, 0.213),
    "beir-trec-news": (0.398, 0.362, 0.358, 0.376, 0.428, 0.337, 0.346, 0.428, 0.427),
    "beir-robust04": (0.408, 0.351, 0.365, 0.349, 0.476, 0.437, 0.506, 0.447, 0.479),
    "beir-arguana": (0.315, 0.265, 0.389, 0.298, 0.446, 0.511, 0.540, 0.433, 0.474),
    "beir-webis-touche2020": (0.367, 0.259, 0.225, 0.248, 0.204, 0.205, 0.256, 0.237, 0.343),
    "beir-cqadupstack": (0.299, 0.282, 0.290, 0.347, 0.345, 0.357, 0.399, 0.317, 0.320),
    "beir-quora": (0.789, 0.787, 0.852, 0.853, 0.865, 0.881, 0.892, 0.847, 0.845),
    "beir-dbpedia-entity": (0.313, 0.314, 0.330, 0.339, 0.413, 0.347, 0.408, 0.390, 0.418),
    "beir-scidocs": (0.158, 0.113, 0.124, 0.133, 0.165, 0.149, 0.161, 0.150, 0.153),
    "beir-fever": (0.753, 0.682, 0.641, 0.691, 0.758, 0.660, 0.740, 0.774, 0.800),
    "beir-climate-fever": (0.213, 0.187, 0.176, 0.211, 0.237, 0.241, 0.267, 0.232, 0.232),
    "beir-scifact": (0.665, 0.533, 0.575, 0.593, 0.677, 0.600, 0.662, 0.653, 0.699),
    "beir": (0.423, 0.371, 0.391, 0.407, 0.448, 0.416, 0.458, 0.452, 0.475),
}


def published(collection: str, topics: str) -> Scores:
    """What is published for a collection's topic set, by the names that the shipped conditions use; {} for nothing."""
    if collection in _TABLE_2 and topics == "test":
        values = zip(_TABLE_2_SYSTEMS, _TABLE_2[collection], strict=True)
        return {system: {"nDCG@10": value} for system, value in values}
    if collection not in _MSMARCO:
        return {}
    found: Scores = {}
    for system, values in _TABLE_1.items():
        for (of_topics, metric), value in zip(_TABLE_1_COLUMNS, values, strict=True):
            if of_topics == topics and value is not None:
                found.setdefault(system, {})[metric] = value
    return found
