"""Puts freshly generated stubs into every wheel of essaim-core."""

import importlib.util
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class StubsHook(BuildHookInterface):  # type: ignore[type-arg, misc, unused-ignore]
    """Runs generate_protos over protos/, which lies beside core/ in the repository and inside it in an sdist."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel" or version == "editable":
            return
        root = Path(self.root)
        inside = root / "protos"
        protos, tool = (
            (inside, root / "generate_protos.py")
            if inside.is_dir()
            else (root.parent / "protos", root.parent / "tools" / "generate_protos.py")
        )
        spec = importlib.util.spec_from_file_location("generate_protos", tool)
        if spec is None or spec.loader is None:
            raise FileNotFoundError(tool)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.generate(protos, root)
