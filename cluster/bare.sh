#!/usr/bin/env bash
# Installs huracan on a bare Debian or Ubuntu: `bash cluster/bare.sh`, from a checkout. cluster/Dockerfile runs the same file, so
# that the image is what this makes. May be repeated: what is there in the right version is left as it is.
#
#   bare.sh packages the packages alone, which change seldom; pyproject.toml and constraints.txt are all it needs
#
#   HURACAN_PREFIX   where to: venv/ (packages), numba/ (compiled kernels), installed and code (what they are of); /opt/huracan
#   PYTHON           the interpreter; python3.11 or python3.12 if one is there, else the distribution's is installed
#   EXTRA            a file of further packages in exact versions, over those of constraints.txt: the SDK of a cloud
set -euo pipefail

source_folder=$(cd "$(dirname "$0")/.." && pwd)
prefix=${HURACAN_PREFIX:-/opt/huracan}
venv=$prefix/venv

fail() { echo "bare.sh: $1" >&2; exit 2; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

only=${1:-}
[ -z "$only" ] || [ "$only" = packages ] || fail "it takes packages or nothing, not $only"
extra=${EXTRA:-/dev/null}
[ -r "$extra" ] || fail "EXTRA names $extra, which cannot be read"
if grep -vE '^(#.*|[A-Za-z0-9._-]+==[A-Za-z0-9.]+)?$' "$extra" >&2; then fail "$extra: write exact versions, name==1.2.3"; fi

# 1. An interpreter with venv and pip, and the library of threads that compiled packages do not bring along.
python=${PYTHON:-}
for name in python3.11 python3.12; do
  if [ -z "$python" ] && "$name" -c 'import ensurepip, venv' 2>/dev/null; then python=$name; fi
done
missing=()
[ -n "$python" ] || missing+=(python3-venv ca-certificates)
# (to its end: with -q ldconfig may die of SIGPIPE, which pipefail takes for a library that is missing)
{ ldconfig -p 2>/dev/null || /sbin/ldconfig -p; } | grep 'libgomp\.so\.1' >/dev/null || missing+=(libgomp1)
if [ ${#missing[@]} -gt 0 ]; then
  command -v apt-get >/dev/null || fail "${missing[*]} is missing, and there is no apt-get; install it, or pass PYTHON="
  # A machine that has just booted upgrades itself: wait for its lock.
  as_root apt-get -o DPkg::Lock::Timeout=300 update -qq
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "${missing[@]}"
  python=${python:-python3}
fi
"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' \
  || fail "$python is $("$python" --version); Python 3.11 or 3.12 is needed"

# 2. Exact versions of everything huracan needs, in an environment of its own.
[ -d "$prefix" ] || mkdir -p "$prefix" 2>/dev/null || as_root install -d -o "$(id -u)" -g "$(id -g)" "$prefix"
[ -w "$prefix" ] || fail "$prefix belongs to somebody else; give another HURACAN_PREFIX"
wanted=$(cat "$source_folder/pyproject.toml" "$source_folder/constraints.txt" "$extra" | sha256sum | cut -d' ' -f1)
pip() { PYTHONWARNINGS=ignore "$venv/bin/python" -m pip "$@" --quiet --disable-pip-version-check --no-cache-dir; }
if [ "$(cat "$prefix/installed" 2>/dev/null)" != "$wanted" ]; then
  rm -f "$prefix/installed"
  [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
  pip install --constraint "$source_folder/constraints.txt" pip setuptools wheel
  "$venv/bin/python" - "$source_folder/pyproject.toml" > "$prefix/requirements.txt" <<'LIST'
import sys, tomllib
print(*tomllib.load(open(sys.argv[1], "rb"))["project"]["dependencies"], sep="\n")
LIST
  sed -n 's/==.*/==/p' "$extra" > "$prefix/overridden.txt"
  grep -viFf "$prefix/overridden.txt" "$source_folder/constraints.txt" > "$prefix/constraints.txt"
  pip install --constraint "$prefix/constraints.txt" --requirement "$prefix/requirements.txt" --requirement "$extra"
  echo "$wanted" > "$prefix/installed"
fi

[ -z "$only" ] || exit 0

# 3. huracan itself, from a copy: a build writes into its source folder.
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -R "$source_folder"/{pyproject.toml,README.md,huracan,jobs,serve} "$copy"
find "$copy" -name __pycache__ -prune -exec rm -rf {} +
code=$(cd "$copy" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1)
export NUMBA_CACHE_DIR=$prefix/numba OMP_NUM_THREADS=1
cd "$copy"
if [ "$(cat "$prefix/code" 2>/dev/null)" != "$code" ]; then
  rm -f "$prefix/code"
  pip install --no-deps --no-build-isolation --force-reinstall .
  # 4. Kernels compiled once, so that a first task need not wait.
  HURACAN_HOME=$copy/home "$venv/bin/python" -P -m huracan.env.warm
  echo "$code" > "$prefix/code"
fi
"$venv/bin/huracan" --version
