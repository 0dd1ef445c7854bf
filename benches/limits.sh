#!/bin/sh
# Compares what can be counted of a request with its limits, which are in
# benches/src/bin/instructions/limits.rs. Fails if one is exceeded.
set -eu
cd "$(dirname "$0")/.."
status=0
echo 'With link-time optimization:'
cargo run --release --quiet --package benches --bin instructions -- --check || status=1
echo 'Without:'
cargo run --profile default-release --quiet --package benches --bin instructions -- --check-default || status=1
exit $status
