#!/bin/sh
# Counts the instructions of one request for each row, under callgrind. Only the rows whose names
# contain the pattern are run:
#
#     benches/instructions.sh [PATTERN]
set -eu
cd "$(dirname "$0")/.."
exec cargo run --release --quiet --package benches --bin instructions -- "$@"
