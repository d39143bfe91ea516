#!/usr/bin/env bash
# Ends with a sentence when there is no Node that can build the viewer; Debian 12 has one that is too old.
set -euo pipefail

here=$(node --version 2> /dev/null || echo none)
if [ "$(printf '%s\n' v20.19.0 "$here" | sort -V | head -n 1)" != v20.19.0 ]; then
  echo "Node 20.19 or newer is needed to build the viewer (here: $here): https://nodejs.org/en/download" >&2
  exit 1
fi
if [ -z "$(command -v npm)" ]; then
  echo "npm is needed to build the viewer; it comes with Node from https://nodejs.org/en/download" >&2
  exit 1
fi
