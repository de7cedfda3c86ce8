#!/usr/bin/env bash
# Caddy accepts the snippet, and with it pushes and fetches work.
. "$(dirname "$0")/../lib.sh"
. ../proxy.sh
need caddy openssl curl python3

export HOME=$scratch XDG_DATA_HOME=$scratch XDG_CONFIG_HOME=$scratch
caddy validate --adapter caddyfile --config Caddyfile 2>"$scratch/said" >&2 || fail "$(cat "$scratch/said")"
[ -z "$(caddy fmt --diff Caddyfile | grep '^[-+]')" ] || fail "caddy fmt --diff Caddyfile"

serve_behind_proxy
# The snippet, with the ports and the certificate of this check, and nothing else that listens.
sed "s/127.0.0.1:7070/127.0.0.1:$served/
  0,/^{/s//{\nadmin off\nauto_https disable_redirects/
  s,^packs.example.org {,https://localhost:$port {\ntls $certificate $key," Caddyfile >"$scratch/Caddyfile"
caddy run --adapter caddyfile --config "$scratch/Caddyfile" 2>"$scratch/caddy.log" &
started+=($!)
use_the_proxy
