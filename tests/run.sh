#!/usr/bin/env bash
# Installs what the tests need, builds, runs them. The last line is "N passed, N failed".
#
#   tests/run.sh [TIER…] [--server redis|valkey] [--preset debug|asan|tsan]      tests/run.sh --help says more
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
command -v python3 >/dev/null || scripts/setup.sh test
exec python3 tests/run.py "$@"
