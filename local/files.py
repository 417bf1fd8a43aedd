"""Files that are there whole or not at all, whoever reads them meanwhile."""

import os
from pathlib import Path


def replace(path: Path, text: str) -> None:
    """Write a file beside its place, then move it there; where that fails, what was there stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        whole.write_text(text, encoding="utf-8")
        whole.replace(path)
    finally:
        whole.unlink(missing_ok=True)
