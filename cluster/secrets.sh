#!/usr/bin/env bash
# Makes what compose.yaml and the cluster need and no file of the repository may hold: `bash cluster/secrets.sh [folder]`.
# What is there is left as it is; a file that was removed is made anew. That alone changes no password: Postgres and Grafana keep
# the one that they were first started with. docs/runbooks/rotate-tokens.md has what comes after.
set -euo pipefail
umask 077
folder=${1:-$(dirname "$0")/secrets}
mkdir -p "$folder"
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
for name in ray_token database_password redis_password grafana_password; do
  [ -s "$folder/$name" ] || random > "$folder/$name"
done
# The URL holds the password: a new password makes a new file.
printf 'HURACAN__DATABASE__URL=postgresql://huracan:%s@database:5432/huracan\n' "$(cat "$folder/database_password")" > "$folder/huracan.env"
# compose.yaml's containers run as user 1000, and a container's secret is this very file.
if [ "$(id -u)" = 0 ]; then
  chown -R 1000:1000 "$folder"
elif [ "$(id -u)" != 1000 ]; then
  echo "secrets.sh: $folder belongs to user $(id -u), containers run as 1000: for compose.yaml run it as root" >&2
fi
echo "$folder: $(cd "$folder" && echo *)"
