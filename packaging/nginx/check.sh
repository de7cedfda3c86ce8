#!/usr/bin/env bash
# nginx accepts the snippet, and with it pushes and fetches work.
. "$(dirname "$0")/../lib.sh"
. ../proxy.sh
need nginx openssl curl python3

serve_behind_proxy
# The snippet, with the ports and the certificate of this check.
sed "s/127.0.0.1:7070/127.0.0.1:$served/
  s/listen 443/listen 127.0.0.1:$port/
  /listen \[::\]/d
  s/packs.example.org;/localhost;/
  s,/etc/ssl/.*/fullchain.pem,$certificate,
  s,/etc/ssl/.*/key.pem,$key," packhouse.conf >"$scratch/packhouse.conf"
cat >"$scratch/nginx.conf" <<END
daemon off;
master_process off;
pid $scratch/nginx.pid;
error_log $scratch/error.log warn;
events {}
http {
    access_log off;
    client_body_temp_path $scratch/body;
    proxy_temp_path $scratch/proxy;
    fastcgi_temp_path $scratch/fastcgi;
    uwsgi_temp_path $scratch/uwsgi;
    scgi_temp_path $scratch/scgi;
    include $scratch/packhouse.conf;
}
END
nginx -t -q -p "$scratch" -c "$scratch/nginx.conf" -e "$scratch/error.log" || fail "nginx -t"
nginx -p "$scratch" -c "$scratch/nginx.conf" -e "$scratch/error.log" &
started+=($!)
use_the_proxy
! grep "temporary file" "$scratch/error.log" || fail "nginx kept a body on its disk"
