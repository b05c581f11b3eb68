"""The pytest plugin as a stranger's test suite meets it: in a process of its own, with nothing of ours around."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from myo_host.boards import BOARDS, start_board

ROOT = Path(__file__).resolve().parents[2]
Built = Callable[[str, str], Path]
EXAMPLE = re.search(r"```python\n(.*?)```", (ROOT / "docs/hil.md").read_text(), flags=re.S)[1]


def run_pytest(folder: Path, test: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a test file in a folder of its own, with the plugin and no other."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_mine.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "myo_host.pytest_plugin", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, *map(str, arguments)],
        cwd=folder, env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def passed(done: subprocess.CompletedProcess[str], n: int) -> bool:
    return done.returncode == 0 and f"{n} passed" in done.stdout


def test_the_example_of_the_docs_has_five_lines_and_runs(built: Built, board: str, tmp_path: Path) -> None:
    assert len(EXAMPLE.strip().splitlines()) == 5
    done = run_pytest(tmp_path, EXAMPLE, f"--bundle={built('classes', board)}", "--board", board)
    assert passed(done, 1), done.stdout


def test_the_same_test_runs_on_every_board_and_on_a_port(built: Built, tmp_path: Path) -> None:
    for name in ("native", "virtual_m4"):
        bundle = built("classes", name)
    done = run_pytest(
        tmp_path, EXAMPLE, f"--bundle={bundle}", "--board", "native", "--board", "virtual_m4", "-vv"
    )
    assert passed(done, 2), done.stdout
    assert "[native]" in done.stdout
    assert "[virtual_m4]" in done.stdout
    with start_board(BOARDS["native"], bundle / "firmware/native.elf") as port:
        done = run_pytest(tmp_path, EXAMPLE, f"--bundle={bundle}", f"--port={port}", "-vv")
    assert passed(done, 1), done.stdout
    assert "[port]" in done.stdout


def test_teardown_finds_a_fault_that_the_test_overlooked(built: Built, tmp_path: Path) -> None:
    test = (
        "import time\n"
        "from myo_host import messages as m\n"
        "def test_careless(patch):\n"
        "    patch.link.send(m.START, source=m.Source.HOST, trace_mask=0)\n"
        "    for first in (0, 5):\n"
        "        patch.link.send(m.SAMPLES, bytes(6), first_sample=first, n_frames=1)\n"
    )
    done = run_pytest(tmp_path, test, f"--bundle={built('classes', 'native')}", "--board", "native")
    assert done.returncode == 1
    assert "1 passed" in done.stdout
    assert "1 error" in done.stdout
    assert "SAMPLE_GAP (1, 5)" in done.stdout


def test_another_bundle_is_refused_before_the_test(built: Built, tmp_path: Path) -> None:
    classes, values = built("classes", "native"), built("values", "native")
    with start_board(BOARDS["native"], values / "firmware/native.elf") as port:
        done = run_pytest(tmp_path, EXAMPLE, f"--bundle={classes}", f"--port={port}")
    assert done.returncode == 1
    assert "before the test" in done.stdout
    assert "runs bundle" in done.stdout
    assert "Traceback" not in done.stdout


def test_without_a_bundle_it_says_what_to_give(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, EXAMPLE)
    assert "no bundle: give --bundle FOLDER" in done.stdout


def test_strangers_notice_nothing(tmp_path: Path) -> None:
    """No module of ours but the plugin, no heavy library, and none at all with -p no:myopatch."""
    test = (
        "import json, sys\n"
        "def test_mine():\n"
        "    open('modules.json', 'w').write(json.dumps(sorted(sys.modules)))\n"
    )
    assert passed(run_pytest(tmp_path, test), 1)
    modules = json.loads((tmp_path / "modules.json").read_text())
    assert [n for n in modules if n.startswith("myo_")] == ["myo_host", "myo_host.pytest_plugin"]
    assert not {"numpy", "pydantic", "serial", "tensorflow", "typer"} & set(modules)


def test_options_of_another_plugin_keep_their_names(built: Built, tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text(
        "def pytest_addoption(parser):\n    parser.addoption('--port', dest='theirs')\n"
    )
    bundle = built("classes", "native")
    with start_board(BOARDS["native"], bundle / "firmware/native.elf") as port:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "theirs", "-p", "myo_host.pytest_plugin"]
        (tmp_path / "pytest.ini").write_text(
            f"[pytest]\nmyopatch_bundle = {os.path.relpath(bundle, tmp_path)}\n"
        )
        test = EXAMPLE + "\ndef test_theirs(request):\n    assert request.config.getoption('theirs') == 'x'\n"
        (tmp_path / "test_mine.py").write_text(test)
        done = subprocess.run(
            [*command, "--port", "x", f"--myopatch-port={port}"],
            cwd=tmp_path, env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                                            "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"},
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
    assert passed(done, 2), done.stdout + done.stderr


def test_a_path_after_a_space_is_refused(tmp_path: Path) -> None:
    """pytest would look for its settings in /dev."""
    done = run_pytest(tmp_path, EXAMPLE, "--port", "/dev/null")
    assert done.returncode == 4
    assert "write --port=/dev/null" in done.stderr
