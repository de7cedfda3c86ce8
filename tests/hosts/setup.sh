#!/usr/bin/env bash
# Installs what the hosts in Node and Python need, beside them; and what asks the administration all kinds of things. Needs node with npm, and python3 with venv.
set -euo pipefail
cd "$(dirname "$0")"

echo "node: $(node --version)" >&2
(cd node && npm ci --no-audit --no-fund --loglevel=error)

echo "python: $(python3 --version)" >&2
(cd python && python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt)
(cd openapi && python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt)
