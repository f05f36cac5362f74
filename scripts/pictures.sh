#!/usr/bin/env bash
# Makes the pictures of the documentation in docs/_static, from a real server with real actors at work.
#
#   scripts/pictures.sh top [SECONDS]     top.svg: the first screen of heroq top, after so many seconds of work (300)
#   scripts/pictures.sh web [SECONDS]     web.png, web-queue.png: pages of heroq web; needs scripts/setup.sh web
#
# Each is a program in scripts/pictures, run with build/venv, which scripts/setup.sh python-test makes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[ $# -gt 0 ] && [ -f "scripts/pictures/picture_$1.py" ] || { sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 64; }
name=$1
shift
exec build/venv/bin/python "scripts/pictures/picture_$name.py" "$@"
