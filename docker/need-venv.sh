#!/usr/bin/env bash
# Debian's Python comes without venv; installs it, or says what to install.
set -euo pipefail

if [ "$(id -u)" != 0 ]; then
  echo "Python's venv is missing: apt-get install python3-venv" >&2
  exit 1
fi
echo "Python's venv …"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv > /dev/null
