#!/usr/bin/env bash
# Every verb, flag and variable of packhouse that a file here names is one of the program.
. "$(dirname "$0")/../lib.sh"
need python3
$python flags.py "$PACKHOUSE_BINARY" ..
