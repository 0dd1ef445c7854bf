#!/bin/sh
# Counts the instructions of one request for each row, under callgrind. A row is run N and 2 N times;
# the difference, divided by N, leaves out start-up. Only the rows whose names match the pattern, a
# regular expression, are run:
#
#     benches/instructions.sh [PATTERN]
set -eu
cd "$(dirname "$0")/.."

if ! command -v valgrind >/dev/null; then
    echo "valgrind is needed: https://valgrind.org" >&2
    exit 1
fi

bench=$(cargo bench --no-run --bench instructions --message-format json |
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p')

# instructions ROW TIMES
instructions() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$bench" "$1" "$2" 2>&1 |
        sed -n 's/.*Collected : //p'
}

"$bench" | grep -E "${1:-}" | while read -r row; do
    case $row in
        *000\ pairs*) times=10 ;;
        *) times=1000 ;;
    esac
    once=$(instructions "$row" "$times")
    twice=$(instructions "$row" $((2 * times)))
    printf '%-45s %10d\n' "$row" $(((twice - once) / times))
done
