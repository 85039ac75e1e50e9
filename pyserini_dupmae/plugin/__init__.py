"""Registration into Pyserini, so that its own commands take a DupMAE model with nothing imported by hand.

``pyserini_dupmae_plugin.pth`` in site-packages is one line that Python runs when it starts, unless the environment
variable ``PYSERINI_DUPMAE_PLUGIN`` is 0. The line imports nothing: it waits for the first import of ``pyserini`` and
then calls `install`, after which each module in `HOOKS` is changed when it is imported. No file of Pyserini is.
"""

from pyserini_dupmae.plugin.finder import HOOKS, install

__all__ = ["HOOKS", "install"]
