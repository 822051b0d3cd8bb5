"""Are the documents true? Links lead somewhere, generated parts are up to date.

python -m docs.check           say what is wrong, exit 1
python -m docs.check --write   make the generated documents anew
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path

from kenspeckle.cli.docs import render as render_cli
from services.common.settings import CommonSettings
from services.detector.settings import DetectorSettings
from services.extractor.settings import ExtractorSettings
from services.indexer.settings import IndexerSettings
from services.openapi import documents as openapi_documents
from training.data.adapters.page import render as render_data_sets

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+\s+(.+?)\s*$", re.MULTILINE)


def settings_page() -> str:
    """docs/settings.md: every field with its variable, default and meaning."""
    lines = [
        "# Settings",
        "",
        "Made from the settings classes by `make docs`. Every setting is an environment variable; nothing needs to be",
        "set to start. Flags of `kenspeckle serve` win over variables.",
    ]
    common = set(CommonSettings.model_fields)
    for title, cls, prefix in (
        ("All services", CommonSettings, "KENSPECKLE_"),
        ("Detector", DetectorSettings, "KENSPECKLE_DETECTOR_"),
        ("Extractor", ExtractorSettings, "KENSPECKLE_EXTRACTOR_"),
        ("Indexer", IndexerSettings, "KENSPECKLE_INDEXER_"),
    ):
        lines += ["", f"## {title}", "", "| variable | default | meaning |", "| --- | --- | --- |"]
        for name, field in cls.model_fields.items():
            if cls is CommonSettings or name not in common:
                default = "" if field.is_required() else field.get_default(call_default_factory=True)
                shown = "—" if default is None or default == "" else f"`{default}`"
                lines.append(f"| `{prefix}{name.upper()}` | {shown} | {field.description} |")
    return "\n".join(lines) + "\n"


def generated() -> dict[Path, Callable[[], str]]:
    """Generated files, each with the function that makes its text."""
    files: dict[Path, Callable[[], str]] = {
        ROOT / "docs" / "settings.md": settings_page,
        ROOT / "docs" / "cli.md": render_cli,
        ROOT / "docs" / "training" / "data-sets.md": render_data_sets,
    }
    for name, text in openapi_documents().items():
        files[ROOT / "docs" / "openapi" / f"{name}.json"] = lambda text=text: text
    return files


def anchors(text: str) -> set[str]:
    """Fragments that a page offers, as Git hosts make them from headings."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(text)}


def broken_links() -> list[str]:
    """Links of the Markdown pages to files or headings that are not there."""
    found = []
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("**/*.md"), *(ROOT / "models").glob("*/README.md")]
    for page in pages:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for plain, picture in LINK.findall(text):
            target = plain or picture
            if target.startswith(("http://", "https://", "mailto:")):
                continue
            path, _, fragment = target.partition("#")
            goal = (page.parent / path).resolve() if path else page
            if not goal.exists():
                found.append(f"{page.relative_to(ROOT)}: {target}: no such file")
            elif fragment and goal.suffix == ".md" and fragment not in anchors(goal.read_text(encoding="utf-8")):
                found.append(f"{page.relative_to(ROOT)}: {target}: no such heading")
    return found


def main(write: bool) -> int:
    """Check (or write) everything; returns the exit status."""
    wrong = []
    for path, make in generated().items():
        text = make()
        if write:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            wrong.append(f"{path.relative_to(ROOT)} is out of date: run `make docs`")
    wrong += broken_links()
    print("\n".join(wrong) or "documents are in order")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main("--write" in sys.argv[1:]))
