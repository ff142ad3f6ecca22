#!/usr/bin/env bash
# One file over loopback, all in one run: nls over TCP and UDP (verified, committed with `fast`) beside cp and ncat,
# which verify nothing. Prints the median rate of 5 and its ratio to ncat.
#   cargo build --release && benches/transfers.sh [MEBIBYTES]
set -euo pipefail
size=${1:-256}
root=$(cd "$(dirname "$0")/.." && pwd)
nls=$root/target/release/nls
lab=$(mktemp -d "${TMPDIR:-/dev/shm}/nls-bench-XXXXXX")
trap 'rm -rf "$lab"' EXIT
cd "$lab"
head -c "${size}M" /dev/urandom > file
mkdir out

now() { date +%s%N; }
# Runs a command five times; the median of its MiB/s.
median() {
    for _ in 1 2 3 4 5; do
        rm -rf out/*
        local begin end
        begin=$(now); "$@" > /dev/null; end=$(now)
        echo $((size * 1000000000 / (end - begin)))
    done | sort -n | sed -n 3p
}
with_nls() { "$nls" -q -c "listen $1 0 ftp root out as f; send file to $1 \$f fast chunk $2"; }
with_ncat() {
    ncat -l 127.0.0.1 45991 > out/file &
    local receiver=$!
    until ncat --send-only 127.0.0.1 45991 < file 2> /dev/null; do :; done
    wait "$receiver"
}

peer=0
command -v ncat > /dev/null && peer=$(median with_ncat) || echo "SKIPPED: ncat is not installed"
printf '%-28s %8s %8s\n' "$size MiB on $(df --output=fstype . | tail -1)" MiB/s "x ncat"
row() { printf '%-28s %8s %8s\n' "$1" "$2" "$([ "$peer" -gt 0 ] && awk "BEGIN{printf \"%.2f\", $2/$peer}" || echo -)"; }
row "cp" "$(median cp file out/file)"
row "ncat (verifies nothing)" "$peer"
row "nls tcp" "$(median with_nls tcp 64K)"
row "nls tcp, chunk 1024" "$(median with_nls tcp 1024)"
row "nls udp" "$(median with_nls udp 64K)"
