# The environment of Ray on a machine of a `ray up` cluster; sourced by the start commands of aws.yaml, gcp.yaml and
# azure.yaml before `ray start`. Refuses what would start a cluster that is open or without its database.

# What `bash cluster/bare.sh` has installed.
export PATH=/opt/huracan/venv/bin:$PATH NUMBA_CACHE_DIR=/opt/huracan/numba OMP_NUM_THREADS=1

# The machine's own settings: HURACAN__DATABASE__URL and what else differs from the defaults, such as the bucket of candles
# and runs (HURACAN__DATA__FOLDER, HURACAN__STORAGE__RUNS; docs/storage.md). A file of its owner alone.
if [ ! -f ~/.huracan.env ]; then echo "node.sh: ~/.huracan.env is missing; docs/cluster.md says what it holds" >&2; return 2; fi
for file in ~/.huracan.env ~/.ray/auth_token; do
  if [ ! -s "$file" ]; then echo "node.sh: $file is missing or empty; see docs/cluster.md" >&2; return 2; fi
  chmod 600 "$file"
done
set -a
. ~/.huracan.env
set +a
if [ -z "${HURACAN__DATABASE__URL:-}" ]; then
  echo "node.sh: ~/.huracan.env does not set HURACAN__DATABASE__URL; more than one machine needs a Postgres of its own" >&2
  return 2
fi
export HURACAN_HOME=${HURACAN_HOME:-$HOME/huracan-home}
mkdir -p -m 700 "$HURACAN_HOME"

# Ray: token on, and time for a stopped job to write down where it is.
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$HOME/.ray/auth_token
export RAY_JOB_STOP_WAIT_TIME_S=60 RAY_USAGE_STATS_ENABLED=0
unset RAY_ADDRESS
ulimit -n 65536 2>/dev/null || true
