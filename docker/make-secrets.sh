#!/usr/bin/env bash
# Makes every secret that compose.yaml names, once: docker/secrets/, one file each. What is there is left as it is.
# Give another folder as the first word.
set -euo pipefail

folder=${1:-$(dirname "$0")/secrets}
umask 077
mkdir -p "$folder"

word() { head -c 24 /dev/urandom | base64 | tr '+/' '-_'; }

# keep NAME: the secret that is there, else a new one; printed for those that are made of it
keep() {
  [ -s "$folder/$1" ] || printf '%s\n' "${2:-$(word)}" > "$folder/$1"
  cat "$folder/$1"
}

database=$(keep postgres_password)
keep gateway_database_url "postgresql://gateway:$database@postgres:5432/gateway" > /dev/null
if [ ! -s "$folder/valkey_conf" ]; then
  broker=$(word)
  printf 'requirepass %s\nsave ""\nappendonly no\nmaxmemory 192mb\nmaxmemory-policy noeviction\n' "$broker" > "$folder/valkey_conf"
fi
broker=$(sed -n 's/^requirepass //p' "$folder/valkey_conf")
keep gateway_broker_url "redis://:$broker@valkey:6379/0" > /dev/null
if [ ! -s "$folder/seaweedfs_s3" ]; then
  printf '{"identities":[{"name":"gateway","credentials":[{"accessKey":"gateway","secretKey":"%s"}],"actions":["Admin","Read","List","Tagging","Write"]}]}\n' \
    "$(word)" > "$folder/seaweedfs_s3"
fi
store=$(sed -n 's/.*"secretKey":"\([^"]*\)".*/\1/p' "$folder/seaweedfs_s3")
keep gateway_object_store "s3+http://gateway:$store@seaweedfs:8333/gateway" > /dev/null
keep gateway_metrics_token > /dev/null
keep gateway_node_secret > /dev/null
keep gateway_backup_passphrase > /dev/null
keep grafana_password > /dev/null

# Compose mounts each file as it is: the users inside (not root) must be able to read it, others on this machine not
# even the folder.
chmod 0644 "$folder"/*
chmod 0700 "$folder"
echo "secrets in $folder: keep gateway_backup_passphrase also somewhere else, without it a backup's keys stay shut"
