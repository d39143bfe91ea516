#!/usr/bin/env bash
# Installs the peers and servers that the tests talk to: dcmtk, dicom3tools, Orthanc, PostgreSQL, Redis, Chromium, poppler, SoftHSM.
# Nothing is started here; the tests start what they need on loopback and stop it again.
set -euo pipefail

# The FHIR server of the tests, from npm.
fhir="$(dirname "$0")/../tests/fhir_server"
[ "$fhir/node_modules/.package-lock.json" -nt "$fhir/package-lock.json" ] || {
  echo "FHIR server for the tests …"
  (cd "$fhir" && npm ci --no-audit --no-fund --loglevel=error && touch node_modules/.package-lock.json)
}

packages=(dcmtk dicom3tools orthanc orthanc-dicomweb chromium fonts-noto-cjk poppler-utils redis-server postgresql strace openssl softhsm2)
programs=(/usr/bin/storescu /usr/bin/dciodvfy /usr/sbin/Orthanc /usr/bin/chromium /usr/bin/pdfsig /usr/bin/redis-server /usr/bin/strace /usr/bin/openssl /usr/bin/softhsm2-util)

missing=0
for program in "${programs[@]}"; do [ -x "$program" ] || missing=1; done
compgen -G "/usr/lib/postgresql/*/bin/initdb" > /dev/null || missing=1
[ "$missing" = 0 ] && exit 0

if [ "$(id -u)" != 0 ]; then
  echo "These Debian packages are needed for the tests: ${packages[*]}" >&2
  exit 1
fi
echo "Servers for the tests …"
# The packages would start their services; the tests want none of them running.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" > /dev/null
