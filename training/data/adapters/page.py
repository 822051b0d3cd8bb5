"""The page of known data sets, made from their table."""

from training.data.adapters.table import KNOWN_SETS

TITLES = {
    "V1": "V1 general model",
    "V2": "V2 general model",
    "application": "application",
    "model": "model of one kind",
    "benchmark": "benchmark",
}


def render() -> str:
    """docs/training/data-sets.md."""
    lines = [
        "# Known data sets",
        "",
        "Made from the table in `training/data/adapters/table.py` by `make docs`. Each name is one for",
        "`DataLoader.*.dataset.name` and for `data check` and `data merge`; `image_root` is the folder with the files",
        "below it, `split` one of the parts (the first by default). Pictures and classes are what their makers or the",
        "documents of PP-ShiTu state. Nothing is downloaded for you: licences differ, and some sets are given on",
        "request only. Whether an address still answers was not tested. The documents' own test set of products (250",
        "classes) was never published.",
        "",
        "| name | pictures | classes | used in | parts | files | where, licence | |",
        "| --- | ---: | ---: | --- | --- | --- | --- | --- |",
    ]
    for known in KNOWN_SETS:
        cells = [
            f"`{known.name}`",
            str(known.pictures or "—"),
            str(known.classes or "—"),
            ", ".join(TITLES[use] for use in known.used_in),
            ", ".join(known.layout.splits),
            f"`{known.layout.tree}`".replace("|", "\\|"),
            f"{known.where}; {known.licence}",
            known.note,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
