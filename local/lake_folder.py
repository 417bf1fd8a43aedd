"""A lake in a folder, without Spark: its catalog, and in paths.json where it was made and where plain tables lie."""

import json
from pathlib import Path

from clickstream.errors import TableError
from local import files

CATALOG = "catalog.db"


def check(lake: Path) -> None:
    """Raise ``TableError`` where there is no lake, or a copy of one. A lake's catalog is made with it."""
    if not (lake / CATALOG).exists():
        raise TableError(f"no lake at {lake}; run a job first or give --lake DIR")
    check_not_moved(lake)


def check_not_moved(lake: Path) -> None:
    """Raise ``TableError`` for a copy of a lake: its tables would look for their files where it was made."""
    made_at = remembered(lake).get("lake", str(lake))
    if made_at != str(lake):
        raise TableError(f"the lake {lake} was made as {made_at}, where its tables look for their files; move it back")


def remembered(lake: Path) -> dict[str, str]:
    """Return where the lake was made, and the folder of each plain table that a job was given one for."""
    paths = lake / "paths.json"
    return dict(json.loads(paths.read_text())) if paths.exists() else {}


def remember(lake: Path, paths: dict[str, str]) -> None:
    """Add to what is remembered."""
    files.replace(lake / "paths.json", json.dumps(remembered(lake) | paths, indent=2))
