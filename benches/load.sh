#!/bin/sh
# Puts servers under load, each on one core and wrk on another, in turn and in several rounds, and
# prints the medians of the rounds. Only the servers whose names match the pattern, a regular
# expression, are run; those in Go and on Node, if these are installed:
#
#     [PAIRS=3] [ROUNDS=5] [CONNECTIONS=16] benches/load.sh [PATTERN]
#
# "CPU" is what a request costs the server, system calls included; the ratio is to the layer, or to the
# layer with signatures. "saved" is the share of what a handler can avoid: "Query + Json" saves nothing
# of it, and "nothing" all of it. Requests in a second are as many as the two cores leave each other: compare
# the CPU.
set -eu
cd "$(dirname "$0")/.."

for tool in wrk taskset; do
    if ! command -v "$tool" >/dev/null; then
        echo "$tool is needed: on Debian, apt-get install wrk util-linux" >&2
        exit 1
    fi
done

# executable CARGO...: builds one target, and prints where it is.
executable() {
    "$@" --message-format json | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p'
}
load=$(executable cargo build --release --package benches --bin load)
example=$(executable cargo build --release --example axum)

directory=$(mktemp -d)
server=
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -r "$directory"
}
trap finish EXIT
trap 'exit 1' INT TERM

if command -v go >/dev/null; then
    go build -o "$directory/go" benches/peers/go.go
    peers='Go net/http
Go net/http, signed
'
fi
if command -v node >/dev/null; then
    peers="${peers-}Node http
Node http, signed
"
fi

# A refusal has status 200. Looking at answers takes time, so only those of the warm-up are looked at.
cat >"$directory/warm-up" <<'LUA'
function response(status, headers, body)
    if status ~= 200 or body:find("FAIL") then
        io.stderr:write(status, " ", body, "\n")
        os.exit(1)
    end
end
LUA
cat >"$directory/measure" <<'LUA'
function done(summary, latency)
    local errors = summary.errors
    if errors.connect + errors.read + errors.write + errors.status + errors.timeout > 0 then
        io.stderr:write("requests have failed\n")
        os.exit(1)
    end
    print(string.format("requests %d %f %d %d", summary.requests, summary.duration / 1e6,
        latency:percentile(50), latency:percentile(99)))
end
LUA

export ADDR=127.0.0.1:${PORT:-3900}
# generate SCRIPT SECONDS URL
generate() {
    cat "$directory/request" "$directory/$1" >"$directory/script.lua"
    taskset -c 1 wrk --threads 1 --connections "${CONNECTIONS:-16}" --duration "$2" \
        --script "$directory/script.lua" "$3"
}
# The ticks of the clock that the server has had, 100 in a second.
ticks() {
    awk '{ print $14 + $15 }' "/proc/$server/stat"
}

# measure NAME URL COMMAND...: a round of the server that the command starts.
measure() {
    name=$1
    url=$2
    shift 2
    "$load" request "$name" "${PAIRS:-3}" >"$directory/request"
    taskset -c 0 "$@" >/dev/null 2>&1 &
    server=$!
    tries=0
    until generate warm-up 1 "$url" >"$directory/log" 2>&1; do
        tries=$((tries + 1))
        if [ "$tries" -gt 20 ]; then
            cat "$directory/log" >&2
            exit 1
        fi
        sleep 0.1
    done
    before=$(ticks)
    measured=$(generate measure 3 "$url" | sed -n 's/^requests //p')
    memory=$(awk '/VmHWM/ { print $2 }' "/proc/$server/status")
    echo "$measured $before $(ticks) $memory" | awk -v name="$name" -v OFS='\t' '{
        print name, $1 / $2, ($6 - $5) * 10000 / $1, $3, $4, $7
    }'
    kill "$server"
    wait "$server" 2>/dev/null || true
    server=
}

{
    "$load"
    echo 'examples/axum.rs, printing'
    printf '%s' "${peers-}"
} | grep -E "${1:-}" >"$directory/names"
: >"$directory/rounds"
for _ in $(seq "${ROUNDS:-5}"); do
    while read -r name; do
        case $name in
            *signed) token=xxxxyyyy ;;
            *) token= ;;
        esac
        # Without a token, no argument.
        case $name in
            Go*) measure "$name" "http://$ADDR/" "$directory/go" ${token:+"$token"} ;;
            Node*) measure "$name" "http://$ADDR/" node benches/peers/node.mjs ${token:+"$token"} ;;
            examples/*) measure "$name" "http://$ADDR/callback" "$example" ;;
            *) measure "$name" "http://$ADDR/" "$load" serve "$name" ;;
        esac >>"$directory/rounds" </dev/null
    done <"$directory/names"
done

awk -F '\t' '
    function median(name, column,    count, i, j, values, swap) {
        count = split(columns[name, column], values, " ")
        for (i = 2; i <= count; i++)
            for (j = i; j > 1 && values[j - 1] > values[j]; j--) {
                swap = values[j]; values[j] = values[j - 1]; values[j - 1] = swap
            }
        return values[int((count + 1) / 2)]
    }
    function ratio(a, b) { return a * b ? sprintf("%.2f", a / b) : "-" }
    # Of the same requests, signed or not.
    function cpu(name, of) { return median(name (of ~ /, signed$/ ? ", signed" : ""), 3) }
    function saved(of,    handler) {
        handler = cpu("Query + Json", of)
        if (of ~ /^Go|^Node|printing$/ || !handler || !median("nothing", 3)) return "-"
        return sprintf("%.2f", (handler - median(of, 3)) / (handler - median("nothing", 3)))
    }
    FILENAME ~ /names$/ { names[++rows] = $1; next }
    { for (i = 2; i <= NF; i++) columns[$1, i] = columns[$1, i] " " $i }
    END {
        print "server                      CPU us  ratio  saved  requests/s  p50 us  p99 us  peak KiB"
        for (row = 1; row <= rows; row++) {
            name = names[row]
            printf "%-26s %7.1f %6s %6s %11d %7d %7d %9d\n", name, median(name, 3),
                ratio(median(name, 3), cpu("layer", name)), saved(name),
                median(name, 2), median(name, 4), median(name, 5), median(name, 6)
        }
    }' "$directory/names" "$directory/rounds"
