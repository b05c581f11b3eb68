"""The command line under a hard hand: every fault is one line and exit code 2, and nothing is left behind."""

from __future__ import annotations

import errno
import json
import os
import re
import resource
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from myo_export.export import export_bundle
from myo_host import cli
from myo_host.cli import commands
from myo_host.doctor import _virtual_boards
from myo_pipeline.bundle import open_bundle, replace_file, write_json
from myo_pipeline.errors import BundleError
from tiny_bundle import SPEC, make_model, write_trained

PROGRAM = [sys.executable, "-c", "from myo_host.cli import main; main()"]
SUBCOMMANDS = [
    "new",
    "select",
    "tune",
    "train",
    "export",
    "build",
    "flash",
    "run",
    "validate",
    "profile",
    "doctor",
    "data",
    "data list",
    "data get",
    "data info",
]

Result = tuple[int, str, str]
Cli = Callable[..., Result]

# A board that names a serial port and then says nothing.
SILENT_BOARD = f"""#!{sys.executable}
import os, pathlib, signal, tty
pathlib.Path(__file__).with_suffix(".pid").write_text(str(os.getpid()))
master, slave = os.openpty()
tty.setraw(slave)
print(os.ttyname(slave), flush=True)
signal.pause()
"""


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_trained(tmp_path_factory.mktemp("bundles") / "my patch ä")
    export_bundle(folder)
    return folder


@pytest.fixture
def bundle(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / exported.name))


@pytest.fixture
def myopatch(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    """Run the command line in this process: exit code, stdout, stderr."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def run(*words: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["myopatch", *map(str, words)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            cli.main()
        out, err = capfd.readouterr()
        return int(left.value.code or 0), out, err

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


def check_refused(result: Result, expected: str) -> None:
    code, out, err = result
    assert (code, out) == (2, "")
    assert expected in err
    assert err.startswith("myopatch: ")
    assert err.count("\n") == 1
    assert not re.search("Traceback|this is a bug", err)


def list_tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def plant_board(bundle: Path, script: str, board: str = "native") -> Path:
    firmware = bundle / "firmware" / f"{board}.elf"
    firmware.parent.mkdir(exist_ok=True)
    firmware.write_text(script)
    firmware.chmod(0o755)
    return firmware


# Arguments


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("frob", "no such command 'frob'; see `myopatch --help`"),
        ("build --frob x", "no such option: --frob; see `myopatch build --help`"),
        ("build", "missing argument"),
        ("new", "no folder given"),
        ("new x --template zzz", "template 'zzz' is unknown, expected one of: features, forest, gestures"),
        ("new 9lives", "would make the patch name '9lives'"),
        ("new Pä", "would make the patch name 'pä'"),
        ("new here", "patch.toml: exists already"),
        ("new file", "file: file exists"),
        ("new file/x", "file/x: not a directory"),
        ("new /proc/none/x", "/proc/none"),
        ("data get zzz", "unknown data set 'zzz'; known: myo_readings"),
        ("train none", "none: no such file; make one with `myopatch new"),
        ("train empty", "empty/patch.toml: no such file"),
        ("train binary", "binary: not readable as UTF-8"),
        ("train damaged", "damaged: training.frob: unknown key"),
        ("export none", "none: lacks patch.toml"),
        ("export empty", "empty: lacks patch.toml"),
        ("export file", "file: lacks patch.toml"),
        ("build none", "none: no such bundle folder"),
        ("build empty --board zzz", "board 'zzz' is unknown, expected one of: virtual_m4, "),
        ("flash empty --board zzz", "board 'zzz' is unknown"),
        ("flash empty --port /dev/null", "leave --port out"),
        ("flash empty --protocol dfu", "leave --protocol out"),
        ("flash empty --board stm32f405", "give the port where it answers: --port auto"),
        ("flash empty --board stm32f405 --port auto --protocol zzz", "expected one of: stlink, dfu"),
        ("run none", "none: no such bundle folder"),
        ("run empty", "empty: no manifest.json, so it was never exported"),
        ("validate empty", "give one of --board NAME"),
        ("validate empty --port=", "give one of --board NAME"),
        ("validate empty --board native --port /dev/null", "give one of --board NAME"),
        ("profile", "give one of BUNDLE"),
        ("profile empty --elf file", "give one of BUNDLE"),
        ("profile empty", "empty: no manifest.json, so it was never exported"),
        ("profile empty --board zzz", "board 'zzz' is unknown"),
        ("profile empty --model file", "a bundle brings its model"),
        ("profile --elf none", "none: cannot be read (No such file or directory); give an ELF image"),
        ("profile --elf binary", "binary: not an ELF image"),
        ("profile --elf /proc/self/exe", "an image for EM_"),
        ("profile --elf binary --hop 3", "give --model as well"),
        ("profile --elf binary --model file --function f", "exclude each other"),
        ("profile --elf binary --part zzz", "--part 'zzz' is unknown, expected one of: nrf54l15"),
        ("profile --elf binary --part nrf54l15 --volts 3", "has its own figures: leave out --volts"),
        ("profile --elf binary --active-ma -1", "--active-ma -1.0: expected a number above 0"),
    ],
)
def test_wrong_arguments(
    myopatch: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "here").mkdir()
    (tmp_path / "here/patch.toml").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    (tmp_path / "damaged").write_text(SPEC + "frob = 1\n")
    before = list_tree(tmp_path)
    check_refused(myopatch(*words.split(" ")), expected)
    assert list_tree(tmp_path) == before


def test_help_tells_the_exit_codes(myopatch: Cli) -> None:
    for words in ["", *SUBCOMMANDS]:
        code, out, err = myopatch(*words.split(), "--help")
        assert (code, err) == (0, "")
        assert out.startswith(f"Usage: myopatch {words}".rstrip())
        assert "..." not in out.replace("[ARGS]...", "").replace("and...", "") or words == "data"
    assert "Exit codes: 0 fine; 1 validation failed" in myopatch("--help")[1]
    code, out, err = myopatch()
    assert (code, out) == (2, "")
    assert err.startswith("Usage: myopatch")


def test_json_is_strict_and_alone_on_stdout(myopatch: Cli, tmp_path: Path) -> None:
    for words in ("data list --json", "doctor --json"):
        code, out, err = myopatch(*words.split())
        assert code in (0, 1)
        assert err == ""
        assert json.loads(out, parse_constant=pytest.fail)
    values = {"a": float("nan"), "b": [1.5, float("inf"), (-float("inf"), 2)], "c": "NaN"}
    write_json(tmp_path / "x.json", values)
    found = json.loads((tmp_path / "x.json").read_text(), parse_constant=pytest.fail)
    assert found == {"a": None, "b": [1.5, None, [None, 2]], "c": "NaN"}


# What training left


def _cut(name: str, n_bytes: int) -> Callable[[Path], object]:
    return lambda bundle: (bundle / name).write_bytes((bundle / name).read_bytes()[:n_bytes])


def _record(**values: object) -> Callable[[Path], object]:
    def change(bundle: Path) -> None:
        record = json.loads((bundle / "training.json").read_text()) | values
        (bundle / "training.json").write_text(json.dumps(record))

    return change


def _lose_hashes_and_cut(name: str, n_bytes: int) -> Callable[[Path], object]:
    def change(bundle: Path) -> None:
        _record(model={})(bundle)
        _cut(name, n_bytes)(bundle)

    return change


def _swap_float_for_int8(bundle: Path) -> None:
    _record(model={})(bundle)
    (bundle / "model_float.tflite").write_bytes(make_model(False))


def _evaluation(**arrays: object) -> Callable[[Path], object]:
    def change(bundle: Path) -> None:
        with np.load(bundle / "evaluation.npz") as archive:
            stored = {name: archive[name] for name in archive.files}
        np.savez(bundle / "evaluation.npz", allow_pickle=False, **(stored | arrays))  # type: ignore[arg-type]

    return change


def _flip(name: str) -> Callable[[Path], object]:
    def change(bundle: Path) -> None:
        data = bytearray((bundle / name).read_bytes())
        data[len(data) // 2] ^= 0xFF
        (bundle / name).write_bytes(data)

    return change


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (_cut("model.tflite", 700), "model.tflite: is not the model that training.json describes"),
        (_cut("model_float.tflite", 0), "model_float.tflite: is not the model that training.json describes"),
        (_lose_hashes_and_cut("model.tflite", 300), "damaged or truncated"),
        (_lose_hashes_and_cut("model.tflite", 0), "found an empty file"),
        (_lose_hashes_and_cut("model_float.tflite", 300), "model_float.tflite: damaged"),
        (_swap_float_for_int8, "model_float.tflite: its input is not float32"),
        (_cut("training.json", 50), "training.json: cannot be read as JSON"),
        (lambda bundle: (bundle / "training.json").write_text("[]"), "holds a list, expected an object"),
        (lambda bundle: (bundle / "training.json").write_text("{}"), "training.json: format None"),
        (lambda b: (b / "training.json").write_text('{"format": 1}'), "training.json: lacks input_scale, data"),
        (_record(format=2), "training.json: format 2, this version reads 1"),
        (_record(input_scale=[1]), "input_scale is [1], expected 2 numbers"),
        (_record(input_scale=["a", {}]), "expected 2 numbers above 0"),
        (_record(input_scale=[1, None]), "expected 2 numbers above 0"),
        (_cut("evaluation.npz", 400), "evaluation.npz: damaged"),
        (_cut("evaluation.npz", 0), "evaluation.npz: damaged"),
        (_flip("evaluation.npz"), "evaluation.npz: damaged"),
        (_evaluation(segments="[]"), "evaluation.npz: holds no segment"),
        (_evaluation(segments='[{"person": "x"}]'), "evaluation.npz: damaged (KeyError: 'session')"),
        (_evaluation(seg1_emg=np.zeros((100, 3), np.int16)), "b/1/1 does not fit the spec (EMG (100, 3)"),
        (_evaluation(seg1_emg=np.zeros((9, 2), np.int16)), "b/1/1 does not fit the spec (EMG (9, 2)"),
        (_evaluation(seg2_labels=np.full(100, 3)), "b/1/2 does not fit the spec"),
        (_evaluation(seg2_labels=np.zeros((100, 1))), "labels (100, 1) float64"),
        (lambda bundle: (bundle / "evaluation.npz").unlink(), "lacks evaluation.npz; run `myopatch train`"),
        (lambda bundle: (bundle / "patch.toml").write_text("format = 9"), "format 9, this version reads"),
        (lambda b: (b / "patch.toml").write_text(SPEC.replace("cutoff_hz = 20", "cutoff_hz = 100")), "Nyquist"),
        (lambda b: (b / "patch.toml").write_text(SPEC.replace('"point"', '"point", "x"')), "the spec names 4"),
    ],
)  # fmt: skip
def test_damaged_training_is_not_exported(
    myopatch: Cli, bundle: Path, damage: Callable[[Path], object], expected: str
) -> None:
    damage(bundle)
    check_refused(myopatch("export", bundle), expected)
    with pytest.raises(BundleError):
        open_bundle(bundle)


# What export left


def _manifest(**values: object) -> Callable[[Path], object]:
    def change(bundle: Path) -> None:
        manifest = json.loads((bundle / "manifest.json").read_text())
        (bundle / "manifest.json").write_text(json.dumps(manifest | values))

    return change


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (_manifest(format=9), "bundle format 9, this version reads 1"),
        (_manifest(files=[1]), "manifest.json: damaged"),
        (_cut("manifest.json", 30), "manifest.json: damaged"),
        (lambda bundle: (bundle / "manifest.json").write_text("[]"), "manifest.json: damaged"),
        (lambda bundle: (bundle / "manifest.json").write_bytes(b"\xff\xfe\x00"), "manifest.json: damaged"),
        (_cut("twin.npz", 300), "twin.npz: changed since the export"),
        (_flip("budget.json"), "budget.json: changed since the export"),
        (lambda bundle: (bundle / "vectors/001.npz").unlink(), "001.npz: listed in the manifest but missing"),
    ],
)
def test_damaged_bundle_is_not_used(
    myopatch: Cli, bundle: Path, damage: Callable[[Path], object], expected: str
) -> None:
    damage(bundle)
    for words in (["validate", bundle, "--board", "native"], ["build", bundle], ["run", bundle]):
        check_refused(myopatch(*words), expected)


# Boards, ports and tools


@pytest.mark.parametrize(
    ("script", "mode", "expected"),
    [
        ("", 0o755, "does not start (Exec format error)"),
        ("junk", 0o755, "does not start (Exec format error)"),
        (SILENT_BOARD, 0o644, "does not start (Permission denied)"),
        ("#!/bin/sh\nexit 0\n", 0o755, "stopped before it named a serial port; run `myopatch build"),
        ("#!/bin/sh\necho note\necho 'a.c:1: runtime error: shift'\n", 0o755, "it said: a.c:1: runtime error: shift"),
    ],
)  # fmt: skip
def test_firmware_that_does_not_start(
    myopatch: Cli, bundle: Path, script: str, mode: int, expected: str
) -> None:
    plant_board(bundle, script).chmod(mode)
    check_refused(myopatch("validate", bundle, "--board", "native"), expected)


def test_a_board_that_dies_says_why(myopatch: Cli, bundle: Path) -> None:
    last_words = (
        "import sys, time; time.sleep(.3); print('fatal: stack overflow'); print('r0=0'); sys.exit(7)"
    )
    plant_board(bundle, SILENT_BOARD.replace("signal.pause()", last_words))
    check_refused(
        myopatch("validate", bundle, "--board", "native"),
        "board native: stopped by itself, exit code 7, it said: fatal: stack overflow; run `myopatch build",
    )


def test_missing_firmware_and_tools(myopatch: Cli, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_refused(
        myopatch("run", bundle), f"no such firmware; run `myopatch build {bundle} --board virtual_m4`"
    )
    plant_board(bundle, "", "virtual_m4")
    monkeypatch.setenv("PATH", "/nowhere")
    check_refused(myopatch("run", bundle), "qemu-system-arm: not installed; `myopatch doctor`")
    check_refused(myopatch("build", bundle), "arm-none-eabi-gcc is not on this machine")
    check_refused(myopatch("build", bundle, "--board", "native"), "gcc is not on this machine")
    code, out, err = myopatch("doctor")
    assert (code, err) == (1, "")
    assert "MISSING qemu-system-arm" in out


def test_doctor_names_boards_whose_machine_the_emulator_lacks(tmp_path: Path) -> None:
    emulator = tmp_path / "qemu-system-arm"
    emulator.write_text("#!/bin/sh\nprintf 'Supported machines are:\\nmicrobit x\\nmps2-an386 y\\n'\n")
    emulator.chmod(0o755)
    runnable, lacking = _virtual_boards(str(emulator))
    assert runnable == ["virtual_m4", "virtual_m0"]
    assert lacking == ["virtual_m3", "virtual_m7", "virtual_m33", "virtual_m55", "virtual_stm32f405"]


def test_ports_that_are_none(myopatch: Cli, bundle: Path, tmp_path: Path) -> None:
    for port, expected in {
        "/dev/ttyNONE": "no such port",
        "/dev/null": "cannot be opened",
        tmp_path: "cannot be",
    }.items():
        check_refused(myopatch("validate", bundle, "--port", port), f"{port}: {expected}")


# Recordings; what lies in the files themselves is held by tests/training


@pytest.mark.parametrize(
    ("spec", "description", "expected"),
    [
        ("", "rate_hz = 500", "recorded at 500 Hz, the spec says sensor.rate_hz 200"),
        ("", 'channels = ["x"]', "1 channels, the spec says sensor.channels 2"),
        ("", 'labels = ["fist", "rest", "point"]', "outputs are fist, rest, point in this order"),
        ("", "rate_hz = ", "dataset.toml: not readable as TOML"),
        ("held_out_persons = 3", "", "0 persons are there to choose from"),
        ('held_out_persons = ["zed"]', "", "names 'zed', who is not in the data set (c é, d'x, e,f)"),
        ('data = "nowhere"', "", "data set 'nowhere' is neither known"),
    ],
)
def test_recordings_that_do_not_fit(
    myopatch: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, description: str, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = ["rate_hz = 200", "lsb_uv = 1", 'channels = ["x", "y"]', 'labels = ["rest", "fist", "point"]']
    lines = SPEC.splitlines()
    for change, target in ((description, rows), (spec, lines)):
        key = change.split(" = ")[0]
        target[:] = [change if key and line.startswith(f"{key} ") else line for line in target]
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings/dataset.toml").write_text("\n".join(rows))
    for person in ("c é", "d'x", "e,f"):
        (tmp_path / "recordings" / f"{person}_1_1.csv").write_text("x,y,label\n" + "1,2,0\n" * 100)
    (tmp_path / "patch.toml").write_text("\n".join(lines))
    before = list_tree(tmp_path)
    check_refused(myopatch("train"), expected)
    assert list_tree(tmp_path) == before


# The system refuses


def test_no_space_leaves_files_whole(bundle: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    before = list_tree(bundle)
    done = subprocess.run(
        [*PROGRAM, "export", bundle], capture_output=True, text=True, preexec_fn=limit, timeout=60
    )
    check_refused((done.returncode, done.stdout, done.stderr), "ile too large")
    after = list_tree(bundle)
    assert {name for name in set(before) ^ set(after)} == {"manifest.json"}
    assert not [name for name in after if Path(name).name.startswith(".")]


def test_an_error_of_the_temporary_file_names_the_real_one(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"x\.json") as caught, replace_file(tmp_path / "x.json"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(tmp_path / "x.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="File exists"), replace_file(tmp_path / "file/x.json"):
        pass
    assert list_tree(tmp_path) == {"file": b""}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder(myopatch: Cli, bundle: Path) -> None:
    bundle.chmod(stat.S_IRUSR | stat.S_IXUSR)
    check_refused(myopatch("export", bundle), "permission denied; change its permissions")


def test_a_bug_is_one_line_and_a_traceback_on_request(
    myopatch: Cli, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("one\ntwo")

    monkeypatch.setattr(commands, "show_progress", fail)
    code, out, err = myopatch("export", bundle)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert re.match(r"myopatch: RuntimeError at test_cli.py:\d+: one two; this is a bug of MyoPatch", err)
    monkeypatch.setenv(cli.TRACEBACK_VARIABLE, "1")
    with pytest.raises(RuntimeError):
        cli.main()


def test_closed_streams() -> None:
    words = [*PROGRAM, "new", "--list"]
    for redirection in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        assert (
            subprocess.run(["sh", "-c", f'"$@" {redirection}', "sh", *words], capture_output=True).returncode
            == 0
        )
    with Path("/dev/full").open("wb", buffering=0) as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True)
    check_refused((done.returncode, "", done.stderr), "no space left on device")


def test_help_waits_for_no_library() -> None:
    """The commands import what they need when they run: 0.1 s instead of 1 s."""
    code = (
        "import sys; from myo_host.cli import main; sys.argv = ['myopatch', '--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(sorted({'numpy', 'pydantic', 'scipy', 'serial', 'matplotlib'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "Usage: myopatch" in done.stdout
    assert done.stderr.strip() == "[]"


def test_a_reader_that_goes_is_no_traceback() -> None:
    for words in ("--help", "new --list"):
        with subprocess.Popen(
            [*PROGRAM, *words.split()], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            assert process.stderr.read() == ""
            assert process.wait(30) == 2  # not 1, which says that validation failed


# Signals


@pytest.mark.parametrize(
    ("command", "number", "code"),
    [
        ("run", signal.SIGINT, 130),
        ("run", signal.SIGTERM, 0),
        ("validate", signal.SIGINT, 130),
        ("validate", signal.SIGTERM, 143),
        ("validate", signal.SIGHUP, 129),
    ],
)
def test_a_signal_takes_the_board_along(bundle: Path, command: str, number: int, code: int) -> None:
    firmware = plant_board(bundle, SILENT_BOARD)
    before = list_tree(bundle)
    with subprocess.Popen(
        [*PROGRAM, command, str(bundle), "--board", "native"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:  # fmt: skip
        pid_file = firmware.with_suffix(".pid")
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not (pid_file.is_file() and pid_file.read_text()):
            time.sleep(0.02)
        time.sleep(0.3)
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
    assert process.returncode == code
    assert err == ""
    assert out.count("\n") <= 1
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)
    pid_file.unlink()
    assert list_tree(bundle) == before


def test_an_interrupt_is_silent(myopatch: Cli, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "show_progress", interrupt)
    assert myopatch("export", bundle) == (130, "", "")
