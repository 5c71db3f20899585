#!/usr/bin/env bash
# Makes what compose.yaml and the cluster need and no file of the repository may hold: `bash cluster/secrets.sh [folder]`.
# What is there is left as it is: a file that is removed before is made anew, which is how one is changed.
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
echo "$folder: $(cd "$folder" && echo *)"
