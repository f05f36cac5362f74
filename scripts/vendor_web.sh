#!/usr/bin/env bash
# Puts the chart library that the dashboard serves into python/heroq/web/static/uplot, out of the npm package that
# vendor/web-packages.txt names. Its files are committed, since who installs from PyPI has no npm; vendor/WEB_SHA256SUMS
# says how they have to be.
#
#   scripts/vendor_web.sh    needs npm
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
read -r package sum <"$root/vendor/web-packages.txt"
(cd "$folder" && npm pack --silent "$package" >/dev/null && echo "$sum  $(ls ./*.tgz)" | sha256sum --check --quiet && tar -xzf ./*.tgz)
cp "$folder"/package/dist/uPlot.iife.min.js "$folder"/package/dist/uPlot.min.css "$root/python/heroq/web/static/uplot/"
cp "$folder/package/LICENSE" "$root/vendor/licenses/uPlot.txt"
cd "$root" && sha256sum --check --quiet vendor/WEB_SHA256SUMS
