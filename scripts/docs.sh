#!/usr/bin/env bash
# Builds the site of docs/ into build/docs; what is missing, or a link that leads nowhere, is an error.
#
#   scripts/docs.sh                   and build/docs/index.html is its first page
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh python-test
build/venv/bin/python -m sphinx -nWEaq --keep-going -b html -d build/docs/.doctrees docs build/docs
echo "build/docs/index.html"
