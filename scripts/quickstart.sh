#!/bin/sh
# From a bare clone to the finished demo.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh
npm run --silent demo
