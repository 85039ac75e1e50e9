"""Puts the plugin's ``.pth`` file beside the installed package; everything else is in pyproject.toml."""

from setuptools import setup
from setuptools.command.build_py import build_py

PLUGIN_PTH = "pyserini_dupmae_plugin.pth"


class BuildWithPlugin(build_py):
    """The package, and a file at the top of site-packages that Python's ``site`` module reads at each start."""

    def run(self) -> None:
        super().run()
        # An editable wheel takes no file from build_lib, only what is in the folder that it installs from.
        target = self.get_finalized_command("install").install_lib if self.editable_mode else self.build_lib
        self.mkpath(target)
        self.copy_file(PLUGIN_PTH, target, preserve_mode=False)


setup(cmdclass={"build_py": BuildWithPlugin})
