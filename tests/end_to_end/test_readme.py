"""The commands of the README do what it says: those of its first part in CI, those on one's own things here."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

from tests.end_to_end.conftest import ROOT, free_port
from tests.fixtures.bundles import scene, thing

WAIT = "until kenspeckle gallery list >/dev/null 2>&1; do sleep 0.1; done"


def commands() -> list[str]:
    """Lines of the README's shell blocks, and commands that its sentences name."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def test_every_command_is_run_somewhere() -> None:
    ci = (ROOT / ".ci/run").read_text(encoding="utf-8")
    here = {line for line in commands() if line.startswith((". .venv", "kenspeckle "))}
    for command in set(commands()) - here:
        assert re.search(rf"^{re.escape(command)}\b", ci, re.MULTILINE), f"nothing runs {command!r}"
    assert len(here) == 4


def test_one_learns_a_thing_and_recognises_it(tmp_path: Path, toy_models: Path) -> None:
    thing(1).save(tmp_path / "mug.jpg", quality=95)
    scene(1, None).save(tmp_path / "desk.jpg", quality=95)
    tool = tmp_path / ".venv/bin/kenspeckle"
    tool.parent.mkdir(parents=True)
    tool.write_text(f"#!{sys.executable}\nfrom kenspeckle.cli import main\nmain()\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    (tool.parent / "activate").write_text(f"PATH={tool.parent}:$PATH\n")
    lines = [line for line in commands() if line.startswith((". .venv", "kenspeckle "))]
    script = "\n".join(["set -e", "trap 'kill %1' EXIT", *lines]).replace("serve &", f"serve 2>log &\n{WAIT}")
    port = str(free_port())
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KENSPECKLE_")}
    environment |= {
        "PYTHONPATH": str(ROOT),
        "KENSPECKLE_MODELS_DIR": str(toy_models),
        "KENSPECKLE_PORT": port,
        "KENSPECKLE_URL": f"http://127.0.0.1:{port}",
    }
    ended = subprocess.run(
        ["bash", "-mc", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert re.search(r"known\b.*My mug", ended.stdout), ended.stdout
