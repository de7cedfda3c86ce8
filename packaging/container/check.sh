#!/usr/bin/env bash
# The compose file is valid, its commands are those of the program, and the health check tells a server
# that is ready from one that is not. The image itself is not built: its base images can't be fetched.
. "$(dirname "$0")/../lib.sh"
need docker-compose python3

POSTGRES_PASSWORD=a S3_SECRET=b docker-compose --file compose.yaml config >"$scratch/compose.yaml"
! S3_SECRET=b docker-compose --file compose.yaml config >/dev/null 2>&1 || fail "a missing password is not noticed"

# What the image copies is there, and nothing that the program needs is left out.
copied=$(sed -n 's/^COPY \([^-].*\) [^ ]*$/\1/p' Containerfile)
for path in $copied; do [ -e "../../$path" ] || fail "COPY $path: no such path"; done
for member in $(sed -n '/^members/,/^]/s/^ *"\([^/"]*\).*/\1/p' ../../Cargo.toml | sort -u); do
  grep -qx "$member" <<<"$copied" || fail "$member is in the workspace, and not in the image"
done

"$PACKHOUSE_BINARY" --data "$scratch/store" serve --listen 127.0.0.1:0 --json >"$scratch/listening" 2>/dev/null &
started+=($!)
until_works grep -q url "$scratch/listening"
port=$($python -c 'import json, sys; print(json.load(open(sys.argv[1]))["url"].rpartition(":")[2])' "$scratch/listening")
./ready "$port" || fail "a server that is ready is not"
! ./ready "$(free_port)" 2>/dev/null || fail "a server that is not there is ready"
