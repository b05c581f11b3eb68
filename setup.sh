#!/bin/sh
# usage: ./setup.sh [study]      study: also what `make study` needs
# Sets this machine up: Debian packages (through apt where it may), the virtual environment .venv, PlatformIO's
# offline package. Called by every make target that needs it; does nothing where all is in place.
set -eu
cd "$(dirname "$0")"

missing=""
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
need arm-none-eabi-gcc "gcc-arm-none-eabi libnewlib-arm-none-eabi"
need qemu-system-arm qemu-system-arm
need cc build-essential
[ "${1:-}" != study ] || need clang clang
python=""
for candidate in python3.11 python3.12 python3.13 python3; do
    if command -v "$candidate" >/dev/null 2>&1 &&
        "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || missing="$missing python3"
[ -n "$python" ] && "$python" -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
# cmsisdsp is compiled against Python's headers.
[ -n "$python" ] && [ -f "$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ] ||
    missing="$missing python3-dev"

if [ -n "$missing" ]; then
    as_root=""
    [ "$(id -u)" = 0 ] || as_root=sudo
    if [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; }; then
        echo "setup: installing$missing"
        $as_root apt-get update -qq
        # shellcheck disable=SC2086
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
        exec ./setup.sh "$@"
    fi
    echo "setup: Debian packages are missing; run: sudo apt-get install -y$missing" >&2
    exit 2
fi

stamp=.venv/.myopatch-stamp
if [ ! -f "$stamp" ] || [ pyproject.toml -nt "$stamp" ] || [ constraints.txt -nt "$stamp" ]; then
    echo "setup: Python packages into .venv (a few minutes the first time: TensorFlow is large)"
    [ -x .venv/bin/python ] || "$python" -m venv .venv
    .venv/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
    # An oracle of the tests: they load one file of it, and its dependencies (NumPy 1, a graphical stack) do not fit ours.
    .venv/bin/python -m pip install -q --disable-pip-version-check --no-deps libemg==2.0.3 ||
        echo "setup: libemg 2.0.3 could not be installed: the test that compares with it is skipped" >&2
    touch "$stamp"
fi
.venv/bin/python -m myo_export.cmsis_dsp >/dev/null
