"""What is done to the servers of Pyserini 2, REST and MCP, so that they have the index type ``hybrid``.

Written against Pyserini 2.3.0; the servers of 1.6 and 2.0 are others, in which none of these modules is.
"""

from __future__ import annotations

from copy import copy
from functools import wraps
from typing import Any

from pyserini_dupmae.plugin.patches import after
from pyserini_dupmae.util.errors import UserError

INDEX_TYPE = "hybrid"
DECIMALS = 6  # to which Pyserini's servers round scores


@after
def register_index_type(module: Any) -> None:
    """``index_type: hybrid`` in a server's configuration."""
    from pyserini_dupmae.plugin.hybrid_index import HybridIndex

    module.SEARCHER_FACTORIES[INDEX_TYPE] = (HybridIndex, None, lambda config: {"encoder": config.encoder})
    module.INDEX_TYPE[INDEX_TYPE] = {}  # name -> what to download: there is nothing


@after
def open_configured_indexes(module: Any) -> None:
    """Configured indexes that are not BM25's open without ``--no-prebuilt-indexes`` too, and say why one does not.

    Pyserini looks their names up among those that it downloads, and the command of the MCP server has no such option.
    """
    backend = module.SharedSearchBackend
    ensure_index, fetch, search = backend._ensure_index, backend._bulk_fetch_and_format_documents, backend.search

    @wraps(ensure_index)
    def ensure_configured_index(self: Any, index_name: str, **options: Any) -> Any:
        configured = self._local_indexes.get(index_name)
        if configured is not None and configured.index_type != "tf" and module.lookup_index_type(index_name) is None:
            self = copy(self)
            self._no_prebuilt_indexes = True
        try:
            opened = ensure_index(self, index_name, **options)
            if opened.index_type == INDEX_TYPE and options.get("encoder"):
                opened.searcher.require(options["encoder"])  # it may have been opened with another
            return opened
        except UserError as error:
            mistake = error
        except module.IndexNotAvailableError as error:
            if not isinstance(error.__cause__, UserError):
                raise
            mistake = error.__cause__
        raise module.IndexNotAvailableError(f"Unable to open index: {index_name}: {mistake}") from mistake

    @wraps(fetch)
    def fetch_by_plain_docids(self: Any, docids: list[str], *args: Any, **options: Any) -> Any:
        return fetch(self, [str(docid) for docid in docids], *args, **options)  # Java takes no subclass of str

    @wraps(search)
    def search_or_refuse(self: Any, *args: Any, **options: Any) -> Any:
        try:
            return search(self, *args, **options)
        except UserError as error:
            raise module.BadSearchRequestError(str(error)) from error

    backend._ensure_index, backend.search = ensure_configured_index, search_or_refuse
    backend._bulk_fetch_and_format_documents = fetch_by_plain_docids


@after
def answer_parts_to_rest(module: Any) -> None:
    """A candidate of the type ``hybrid`` has the keys ``dense`` and ``sparse`` beside ``score``."""
    router, search = module.router, module.search_v1

    @wraps(search)
    async def search_with_parts(*args: Any, **options: Any) -> Any:
        answer = await search(*args, **options)
        if isinstance(answer, dict):  # else it is an error
            answer["candidates"] = [candidate | _parts(candidate) for candidate in answer["candidates"]]
        return answer

    (place,) = (i for i, route in enumerate(router.routes) if getattr(route, "endpoint", None) is search)
    path = router.routes.pop(place).path
    router.add_api_route(path, search_with_parts, methods=["GET"])
    router.routes.insert(place, router.routes.pop())
    module.search_v1 = search_with_parts


@after
def answer_parts_to_mcp(module: Any) -> None:
    """A hit of the type ``hybrid`` is shown as ``DocID: ... | Score: ... | Dense: ... | Sparse: ...``."""
    extension = module.McpSearchExtension
    render = extension.search_and_render

    @wraps(render)
    def render_with_parts(self: Any, *args: Any, **options: Any) -> list[Any]:
        told = copy(self)
        told.controller = _TellingParts(self.controller)
        return render(told, *args, **options)

    extension.search_and_render = render_with_parts


class _TellingParts:
    """Searches as a server's backend does, with the parts of a score behind it."""

    def __init__(self, backend: Any):
        self._backend = backend

    def search(self, *args: Any, **options: Any) -> dict[str, Any]:
        answer = self._backend.search(*args, **options)
        return answer | {"candidates": [candidate | _told(candidate) for candidate in answer["candidates"]]}


def _told(candidate: dict[str, Any]) -> dict[str, str]:
    parts = "".join(f" | {name.title()}: {score}" for name, score in _parts(candidate).items())
    return {"score": f"{candidate['score']}{parts}"}


def _parts(candidate: dict[str, Any]) -> dict[str, float]:
    """The two parts of a candidate's score; nothing for one of another type."""
    from pyserini_dupmae.plugin.hybrid_index import ScoredDocid

    docid = candidate["docid"]
    if not isinstance(docid, ScoredDocid):
        return {}
    return {"dense": round(docid.dense, DECIMALS), "sparse": round(docid.sparse, DECIMALS)}
