#!/usr/bin/env bash
# The alert rules are valid and fire when they should, and so are the queries of the dashboard in
# ../grafana. Every metric that either names exists: a real server exposes it.
. "$(dirname "$0")/../lib.sh"
need promtool curl python3

promtool check rules alerts.yml
promtool check config --syntax-only prometheus.yml
promtool test rules alerts_test.yml alerts_days_test.yml

# A store with all that is counted: pushes, finished jobs and requests.
export PACKHOUSE_DATA=$scratch/store
"$PACKHOUSE_BINARY" --quiet repo create a/b >/dev/null
"$PACKHOUSE_BINARY" --quiet push a/b ../../tests/fixtures/muse-cli/01-main.mpack ../../tests/fixtures/muse-cli/02-main.mpack >/dev/null
"$PACKHOUSE_BINARY" --quiet gc a/b --async >/dev/null
"$PACKHOUSE_BINARY" serve --listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0 --json >"$scratch/listening" 2>"$scratch/log" &
started+=($!)
until_works grep -q metrics "$scratch/listening"
address() { $python -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$scratch/listening" "$1"; }
curl --silent --fail "$(address url)/a/b/refs" >/dev/null
fetched() {
  curl --silent --fail "http://$(address metrics)/metrics" >"$scratch/metrics" &&
    grep -q 'packhouse_job_attempts_total{type="mpack.gc",outcome="done"} 1' "$scratch/metrics"
}
until_works fetched

$python names.py "$scratch/metrics" alerts.yml ../grafana/packhouse.json "$scratch/queries.yml"
promtool check rules "$scratch/queries.yml"
