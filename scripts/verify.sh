#!/bin/sh
# From a bare clone to all checks and tests.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh
npm run build:cuda -- --if-possible
npm run check
