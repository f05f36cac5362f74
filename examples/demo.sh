#!/usr/bin/env bash
# Installs heroq with an embedded server into build/venv and runs its demo: real jobs on the files of a folder
# (default: this repository), by an actor in C and one in Python.
#
#   examples/demo.sh [FOLDER]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=$(cd "${1:-$root}" && pwd)
cd "$root"
scripts/setup.sh python
exec build/venv/bin/heroq demo "$folder"
