#!/bin/sh
# Sets up $VENV with the package (editable), its tools and all dependencies. Called by the Makefile; safe to run again.
# PYTHON, VENV: the interpreter and the folder. TORCH_INDEX_URL: where torch and torchvision come from instead of the default index.
set -eu

PYTHON=${PYTHON:-python3}
VENV=${VENV:-.venv}
TORCH_INDEX_URL=${TORCH_INDEX_URL:-}

fail() {
    echo "error: $1" >&2
    exit 2
}

command -v "$PYTHON" >/dev/null 2>&1 || fail "no '$PYTHON' here; install Python 3.11 or newer, or name one: make PYTHON=python3.12 ..."
version=$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])') || fail "'$PYTHON' does not run"
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "'$PYTHON' is Python $version, 3.11 or newer is needed; name another: make PYTHON=python3.12 ..."
"$PYTHON" -c 'import venv, ensurepip' 2>/dev/null ||
    fail "'$PYTHON' has no venv module; on Debian and Ubuntu: apt install python$version-venv"

# What the default build of torch brings along on Linux (CUDA libraries) makes up most of the size.
case "$(uname -s) $TORCH_INDEX_URL" in
    "Linux "*/cpu | "Linux "*/cpu/ | Darwin*) size_gb=2 download_gb=0.6 minutes="1 to 5" ;;
    *) size_gb=7 download_gb=3 minutes="3 to 15" ;;
esac
if [ ! -x "$VENV/bin/queryinst-vis" ]; then
    free_gb=$(df -Pk . | awk 'NR == 2 { print int($4 / 1048576) }')
    [ "$free_gb" -ge "$size_gb" ] || fail "$size_gb GB of disk are needed here, $free_gb GB are free;\
 TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu takes less on Linux"
    echo "Installing into $VENV: a download of about $download_gb GB, $size_gb GB on disk, $minutes minutes. Done once."
    [ "$size_gb" -lt 5 ] || echo "Without a GPU, TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu needs a third of that."
fi

[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV" || fail "could not make $VENV"
pip() {
    "$VENV/bin/python" -m pip --disable-pip-version-check "$@" || fail "pip could not install; its message stands above"
}
[ -z "$TORCH_INDEX_URL" ] || pip install --index-url "$TORCH_INDEX_URL" torch torchvision
pip install --editable ".[dev,tensorboard]"
