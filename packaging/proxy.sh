# What the checks of nginx and Caddy share: a server, and pushes and fetches through a proxy in front of
# it. Each begins with: . ../proxy.sh, after lib.sh.

# Starts a server as the snippets describe it, with a repo a/b. Sets `served` to its port, `port` to a
# free one for the proxy, and `certificate` and `key` to files for the host localhost.
serve_behind_proxy() {
  served=$(free_port) port=$(free_port) certificate=$scratch/certificate.pem key=$scratch/key.pem
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
    -addext basicConstraints=critical,CA:FALSE -out "$certificate" -keyout "$key" 2>/dev/null
  "$PACKHOUSE_BINARY" --data "$scratch/store" --quiet repo create a/b >/dev/null
  "$PACKHOUSE_BINARY" --data "$scratch/store" token create --scope admin --repo '*' --name check --json >"$scratch/token.json" 2>/dev/null
  PACKHOUSE_TOKEN=$($python -c 'import json, sys; print(json.load(open(sys.argv[1]))["token"])' "$scratch/token.json")
  export PACKHOUSE_TOKEN
  "$PACKHOUSE_BINARY" --data "$scratch/store" serve --listen "127.0.0.1:$served" --trusted-proxy 127.0.0.1 --trusted-proxy ::1 \
    >"$scratch/serve.log" 2>&1 &
  started+=($!)
  until_works curl --silent --fail "http://127.0.0.1:$served/readyz"
}

# Pushes, consolidates and fetches through the proxy at `port`, as packhouse and as a Muse client do.
use_the_proxy() {
  local url=https://localhost:$port answer status
  export SSL_CERT_FILE=$certificate
  curl_() { curl --silent --http2 --cacert "$certificate" --oauth2-bearer "$PACKHOUSE_TOKEN" "$@"; }
  until_works curl_ --fail "$url/readyz"
  [ "$(curl_ -o /dev/null -w '%{http_version}' "$url/healthz")" = 2 ] || fail "not HTTP/2"

  # Two megabytes in one body. The first part of the answer comes while the consolidation runs.
  "$PACKHOUSE_BINARY" --remote "$url" --quiet push a/b ../../tests/fixtures/muse-cli/*.mpack >/dev/null
  "$PACKHOUSE_BINARY" --remote "$url" --quiet gc a/b >/dev/null
  "$PACKHOUSE_BINARY" --remote "$url" --quiet fetch a/b --output "$scratch/all.mpack" >/dev/null

  # The URL of a pack leads through the proxy, because the server believes its headers.
  answer=$(curl_ --fail -X POST -H 'Content-Type: application/json' -H 'Accept: application/json' -d '{}' "$url/a/b/fetch/mpack")
  pack=$($python -c 'import json, sys; print(json.loads(sys.argv[1])["mpack_url"])' "$answer")
  case $pack in "$url/"*) ;; *) fail "the URL of a pack is $pack" ;; esac
  curl --silent --fail --cacert "$certificate" "$pack" | cmp - "$scratch/all.mpack" || fail "another pack from $pack"

  # A body without a length, larger than what a proxy would allow by default: it reaches the server.
  status=$(head -c 9000000 /dev/zero |
    curl_ -X POST -T - -H 'Content-Type: application/x-msgpack' -o "$scratch/refused" -w '%{http_code}' "$url/a/b/push/objects")
  grep -q detail "$scratch/refused" || fail "the proxy itself answered with $status: $(cat "$scratch/refused")"
  echo "pushed, consolidated and fetched through $url"
}
