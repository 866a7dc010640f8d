#!/bin/sh
# From a bare clone to a built library: Debian's packages when root, the npm packages, the types and the CPU addon.
set -eu
cd "$(dirname "$0")/.."

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  wanted=""
  for package in g++ make cmake python3 libdnnl-dev; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || wanted="$wanted $package"
  done
  if [ -n "$wanted" ]; then
    echo "gradfold: installing$wanted" >&2
    # Neither is needed to run: without them the build falls back and says so.
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $wanted; } >/dev/null ||
      echo "gradfold: apt-get could not install$wanted; going on without" >&2
  fi
fi

npm ci --no-audit --no-fund
npm run build
