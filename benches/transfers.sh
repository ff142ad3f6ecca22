#!/usr/bin/env bash
# One file over loopback by nls and by its peers, all in one run: ratios count, for a rate alone says little on a
# machine that others use too. Each row is a real pair of processes, a server and a client, on 127.0.0.1.
#   cargo build --release && benches/transfers.sh [MEBIBYTES]      (1024 unless told)
# Environment: RUNS (5), SMALL (MiB for stop-and-wait, 32), PORT (where to look for free ports from), TMPDIR (/dev/shm),
#   ROWS (keys of rows, all unless told), QUINN, NLS and STOP_AND_WAIT (executables; `stop_and_wait FILE` prints MiB/s).
# The rate is of wall time, from the client's start to its exit (ncat, socat: until both have ended), the median of RUNS
# after an untimed first one, whose output is compared. The runs are interleaved, so that a slow minute of the machine
# meets every row. CPU is user + system seconds for one transfer (the start of the server is shared among all of them),
# MiB of an end are the peak RSS of its largest process.
set -euo pipefail
export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin # where distributions keep nginx, sshd and vsftpd
size=${1:-1024} runs=${RUNS:-5} small=${SMALL:-32} port=${PORT:-23800}
root=$(cd "$(dirname "$0")/.." && pwd)
nls_built=${NLS:-$root/target/release/nls}
quinn=${QUINN:-$root/benches/quinn/target/release/quinn-file}
yardstick=${STOP_AND_WAIT:-$root/target/release/examples/stop_and_wait}
patience=300 # seconds a transfer may take

die() { echo "transfers.sh: $*" >&2; exit 3; }
[ -x "$nls_built" ] || die "no $nls_built: cargo build --release"
[ -x /usr/bin/time ] || die "no /usr/bin/time: install the package time"
lab=$(mktemp -d "${TMPDIR:-/dev/shm}/nls-bench-XXXXXX")
made_run_sshd=
finish() {
    local pidfile
    for pidfile in "$lab"/*.pid; do [ -s "$pidfile" ] && kill "$(< "$pidfile")" 2> /dev/null; done
    wait
    [ -z "$made_run_sshd" ] || rmdir /run/sshd 2> /dev/null
    rm -rf "$lab"
}
trap 'set +e; finish' EXIT
trap 'exit 130' INT TERM
chmod 755 "$lab" # vsftpd, nginx and rsync give up root before they read
cd "$lab"
mkdir src out empty nginx
[ "$(df --output=avail -BM . | tail -1 | tr -dc 0-9)" -gt $((2 * size + small + 64)) ] || die "too little room in $lab"
cp "$nls_built" nls # so that a build meanwhile cannot mix two programs in one table
nls=$lab/nls
head -c "${size}M" /dev/urandom > src/file
head -c "${small}M" src/file > src/small
chmod 644 src/*

# --- Running and measuring -------------------------------------------------------------------------------------------

# measured STAT SECONDS COMMAND…: appends "user system maxrss" of it and of all children it waited for to STAT.
# time(1) dies of a TERM without a word, so what runs below it leaves its own pid in STAT.pid, there while it runs.
measured() {
    local stat=$1 limit=$2 status=0; shift 2
    # shellcheck disable=SC2016 # expanded by the inner shell
    /usr/bin/time -q -a -f '%U %S %M' -o "$stat" \
        sh -c 'echo $$ > "$0.pid"; exec timeout --foreground -k 2 "$@"' "$stat" "$limit" "$@" || status=$?
    rm -f "$stat.pid"
    return $status
}
client() { measured "$key.client" "$patience" "$@" > stdout; }

# In which tables of the kernel a port is, without connecting: that would use up a server of one connection.
bound() { awk -v end=":$(printf %04X "$2")" 'substr($2, 9) == end { f = 1 } END { exit !f }' "/proc/net/$1"; }
next_port() { until port=$((port + 1)); ! bound tcp "$port" && ! bound udp "$port"; do :; done; ports[$key]=$port; }

# serve tcp|udp COMMAND…: starts the server of row $key on ${ports[$key]}, and waits until it is there.
serve() {
    local table=$1; shift
    measured "$key.server" "${lasts:-7200}" "$@" > "${sink:-/dev/null}" 2> "$key.server.err" &
    servers[$key]=$!
    for _ in {1..500}; do
        bound "$table" "${ports[$key]}" && return
        kill -0 "${servers[$key]}" 2> /dev/null || break
        sleep 0.02
    done
    failed[$key]="the server: $(tail -1 "$key.server.err")"
}
served() { wait "${servers[$key]}"; } # the end of a server of one connection belongs to the transfer
stop_server() { [ ! -s "$key.server.pid" ] || { kill "$(< "$key.server.pid")"; served; } || true; }

declare -A label verifies kind ports servers failed rate commands
keys=() skipped=()
# row KEY KIND VERIFIES LABEL: run_KEY is one transfer to out/KEY/file, before_KEY (of some) what precedes it untimed.
row() { key=$1 kind[$1]=$2 verifies[$1]=$3 label[$1]=$4; keys+=("$1"); mkdir "out/$1"; chmod 777 "out/$1"; next_port; }
has() {
    local program
    for program; do type -P "$program" > /dev/null || { skipped+=("SKIPPED: $program is not installed"); return 1; }; done
}

transfer() {
    local begin end status=0 original=src/file
    [ "${kind[$key]}" = small ] && original=src/small
    if [[ $key == ncat || $key == socat ]]; then "before_$key"; fi
    [ -z "${failed[$key]:-}" ] || return 0
    begin=${EPOCHREALTIME/./}
    if [ -n "${commands[$key]:-}" ]; then
        client "$nls" -n -q -c "${commands[$key]}" 2> stderr || status=$?
    else
        "run_$key" 2> stderr || status=$?
    fi
    end=${EPOCHREALTIME/./}
    if [ "$status" != 0 ]; then
        failed[$key]="status $status: $(tail -1 stderr)"
    elif [ "$key" = yardstick ]; then # it measures itself, and leaves no file
        awk -v m="$small" '{ printf "%.0f\n", m * 1e6 / $1 }' stdout >> "$key.wall"
    elif [ "$run" != 0 ]; then
        echo $((end - begin)) >> "$key.wall"
    elif ! cmp "$original" "out/$key/file" > stderr 2>&1; then
        failed[$key]="cmp: $(tail -1 stderr)"
    fi
    find "out/$key" -mindepth 1 -delete
}

# --- The rows --------------------------------------------------------------------------------------------------------

row cp reference - "cp"
run_cp() { client cp src/file out/cp/file; }

if has ncat; then
    row ncat peer - "ncat"
    before_ncat() { next_port; lasts=$patience sink=out/ncat/file serve tcp ncat -l --recv-only 127.0.0.1 "$port"; }
    run_ncat() { client ncat --send-only 127.0.0.1 "${ports[ncat]}" < src/file && served; }
fi
if has socat; then
    row socat peer - "socat -b 1048576"
    before_socat() {
        next_port
        lasts=$patience serve tcp socat -u -b 1048576 "TCP-LISTEN:$port,bind=127.0.0.1" OPEN:out/socat/file,creat
    }
    run_socat() { client socat -u -b 1048576 FILE:src/file "TCP:127.0.0.1:${ports[socat]}" && served; }
fi
fetch() { client curl -q -sS --noproxy '*' -o "out/$key/file" "$1://127.0.0.1:${ports[$key]}/file"; }
# nginx KEY LABEL SETTINGS
nginx() {
    row "$1" peer - "$2"
    cat > "$1.conf" << END
daemon off; worker_processes 1; pid $lab/$1.id; error_log stderr;
events { }
http { $3; access_log off; $(printf "%s_temp_path $lab/nginx; " client_body proxy fastcgi uwsgi scgi)
    server { listen 127.0.0.1:$port; root $lab/src; } }
END
    serve tcp "$(type -P nginx)" -p "$lab" -e stderr -c "$lab/$1.conf"
}
if has nginx curl; then # over loopback, sendfile saves CPU time and costs rate: both
    nginx sendfile "nginx (sendfile) to curl" "sendfile on; tcp_nopush on"
    nginx buffers "nginx (buffers of 64k) to curl" "sendfile off; output_buffers 1 64k"
    run_sendfile() { fetch http; }
    run_buffers() { fetch http; }
fi
if has vsftpd curl; then
    row vsftpd peer - "vsftpd to curl" # faster without sendfile, as nginx; `daemon` has a home, `nobody` has none
    printf '%s\n' listen=YES background=NO listen_address=127.0.0.1 listen_port="$port" connect_from_port_20=NO \
        anonymous_enable=YES local_enable=NO write_enable=NO ftp_username=daemon nopriv_user=nobody \
        anon_root="$lab/src" secure_chroot_dir="$lab/empty" xferlog_enable=NO seccomp_sandbox=NO \
        use_sendfile=NO one_process_model=YES > vsftpd.conf # one process: all CPU time is waited for
    [ "$(id -u)" = 0 ] || echo run_as_launching_user=YES >> vsftpd.conf
    serve tcp vsftpd "$lab/vsftpd.conf"
    run_vsftpd() { fetch ftp; }
fi
if has rsync; then
    row rsync peer checksum "rsync -W from its daemon"
    printf '%s\n' "use chroot = no" "log file = $lab/rsync.log" "[src]" "path = $lab/src" > rsyncd.conf
    serve tcp rsync --daemon --no-detach --config=rsyncd.conf --address=127.0.0.1 --port="$port"
    run_rsync() { client rsync -W "rsync://127.0.0.1:${ports[rsync]}/src/file" out/rsync/; }
fi
if has sshd scp ssh-keygen; then
    row scp peer MAC "scp (aes128-gcm) to sshd"
    ssh-keygen -q -t ed25519 -N '' -f host_key
    ssh-keygen -q -t ed25519 -N '' -f user_key
    printf '%s\n' "ListenAddress 127.0.0.1" "Port $port" "HostKey $lab/host_key" "AuthorizedKeysFile $lab/user_key.pub" \
        "StrictModes no" "PasswordAuthentication no" "PermitRootLogin prohibit-password" "UseDNS no" "PidFile none" \
        "Subsystem sftp internal-sftp" > sshd_config
    if [ "$(id -u)" = 0 ] && [ ! -d /run/sshd ]; then mkdir /run/sshd; made_run_sshd=1; fi
    serve tcp "$(command -v sshd)" -D -e -f "$lab/sshd_config"
    run_scp() {
        client scp -q -F none -i user_key -c aes128-gcm@openssh.com -o BatchMode=yes -o StrictHostKeyChecking=no \
            -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -P "${ports[scp]}" src/file "127.0.0.1:$lab/out/scp/file"
    }
fi
if has python3 curl; then
    row python peer - "python3 -m http.server to curl"
    # The interpreter itself: a version manager's wrapper around it would cost what Python does not.
    serve tcp "$(python3 -c 'import sys; print(sys.executable)')" -m http.server "$port" --bind 127.0.0.1 --directory src
    run_python() { fetch http; }
fi

# nls_row KEY KIND LABEL tcp|udp COMMAND…: a row of nls with a server of its own; PORT in the command is its port.
nls_row() {
    local folder=out/$1; [[ $1 == *_get ]] && folder=src
    row "$1" "$2" BLAKE3 "$3"
    local command="${*:5}"
    commands[$1]=${command/PORT/$port}
    serve "$4" "$nls" -n -q -c "listen $4 $port ftp root $folder ${guard:-}; wait"
}
nls_row nls_tcp nls "nls send" tcp send src/file to 127.0.0.1:PORT fast
nls_row nls_1024 nls "nls send, chunk 1024" tcp send src/file to 127.0.0.1:PORT fast chunk 1024
nls_row nls_get nls "nls get" tcp get file from 127.0.0.1:PORT to out/nls_get/file fast
nls_row nls_udp nls "nls send, udp" udp send src/file to udp 127.0.0.1:PORT fast
if "$nls" -n -q -c "key new to $lab/lab.key" > stdout 2>&1; then
    guard="key $lab/lab.key"
    nls_row key_tcp nls "nls send, key" tcp send src/file to 127.0.0.1:PORT fast key "$lab/lab.key"
    nls_row key_get nls "nls get, key" tcp get file from 127.0.0.1:PORT to out/key_get/file fast key "$lab/lab.key"
    nls_row key_udp nls "nls send, udp, key" udp send src/file to udp 127.0.0.1:PORT fast key "$lab/lab.key"
    guard=
else
    skipped+=("SKIPPED: this nls was built without the feature keys")
fi
if [ -x "$quinn" ]; then
    row quinn quic AEAD "quinn (QUIC), one stream"
    serve udp "$quinn" serve out/quinn "$port"
    run_quinn() { client "$quinn" send src/file "${ports[quinn]}"; }
else
    skipped+=("SKIPPED: quinn is not built: cargo build --release --manifest-path benches/quinn/Cargo.toml")
fi
nls_row nls_one small "nls send, chunk 1024 window 1 ($small MiB)" tcp \
    send src/small to 127.0.0.1:PORT name file fast chunk 1024 window 1
if [ -x "$yardstick" ]; then
    row yardstick small - "stop-and-wait yardstick ($small MiB)"
    run_yardstick() { client "$yardstick" src/small; }
else
    skipped+=("SKIPPED: the stop-and-wait yardstick is not built: cargo build --release --examples")
fi

# --- The runs, then the table ----------------------------------------------------------------------------------------

cat << END
Machine: $(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(uname -sr), \
load $(cut -d ' ' -f 1 /proc/loadavg)
File: $size MiB on $(df --output=fstype . | tail -1), median of $runs, $("$nls" --version), $(date -u +%F)

END
if [ -n "${ROWS:-}" ]; then
    for key in "${keys[@]}"; do [[ " $ROWS " == *" $key "* ]] || failed[$key]="left out"; done
fi
for ((run = 0; run <= runs; run++)); do # 0 also makes a virtual machine have its memory
    for key in "${keys[@]}"; do
        [ -t 2 ] && printf '\r\033[Krun %d of %d: %s' "$run" "$runs" "${label[$key]}" >&2
        [ -n "${failed[$key]:-}" ] || transfer
    done
done
[ -t 2 ] && printf '\r\033[K' >&2
sleep 0.3 # the last sessions of servers that fork may still be ending, and count only when they were waited for
for key in "${keys[@]}"; do stop_server; done

ratio() { awk -v a="${1:-0}" -v b="${2:-0}" 'BEGIN { if (a > 0 && b > 0) printf "%.2f", a / b; else print "-" }'; }
# usage FILE: "CPU RSS", seconds for one transfer and MiB; time(1) also leaves lines about signals in there.
usage() {
    [ -s "$1" ] || { echo "- -"; return; }
    awk -v n=$((runs + 1)) 'NF == 3 && $1 ~ /^[0-9.]+$/ { cpu += $1 + $2; if ($3 > rss) rss = $3 }
        END { printf "%.2f %.1f\n", cpu / n, rss / 1024 }' "$1"
}
fastest=
for key in "${keys[@]}"; do
    [ -z "${failed[$key]:-}" ] || continue
    mib=$size; [ "${kind[$key]}" = small ] && mib=$small
    rate[$key]=$(sort -n "$key.wall" | sed -n "$(((runs + 1) / 2))p" | awk -v m="$mib" '{ printf "%.1f", m * 1e6 / $1 }')
    [ "${kind[$key]}" = peer ] || continue
    [ -n "$fastest" ] && awk "BEGIN { exit !(${rate[$key]} <= ${rate[$fastest]}) }" || fastest=$key
done
line() { printf '| %-42s | %-8s | %6s | %9s | %5s | %12s | %12s | %12s | %12s |\n' "$@"; }
line program verifies MiB/s "x fastest" "x cp" "client CPU s" "client MiB" "server CPU s" "server MiB"
line :--- :--- ---: ---: ---: ---: ---: ---: ---:
for key in "${keys[@]}"; do
    if [ -n "${failed[$key]:-}" ]; then
        line "${label[$key]}" "${verifies[$key]}" FAILED - - - - - -
        skipped+=("FAILED: ${label[$key]}: ${failed[$key]}")
        continue
    fi
    read -r client_cpu client_rss <<< "$(usage "$key.client")"
    read -r server_cpu server_rss <<< "$(usage "$key.server")"
    peer=$(ratio "${rate[$key]}" "${rate[${fastest:-none}]:-}") copy=$(ratio "${rate[$key]}" "${rate[cp]:-}")
    [ "${kind[$key]}" = small ] && peer=- copy=- # another size: no comparison
    line "${label[$key]}" "${verifies[$key]}" "$(printf %.0f "${rate[$key]}")" "$peer" "$copy" \
        "$client_cpu" "$client_rss" "$server_cpu" "$server_rss"
done
echo
[ ${#skipped[@]} = 0 ] || printf '%s\n' "${skipped[@]}" ""
echo "fastest peer: ${label[${fastest:-none}]:--}"
echo "nls tcp / fastest peer: $(ratio "${rate[nls_tcp]:-}" "${rate[${fastest:-none}]:-}")"
echo "nls tcp / rsync, the peer that verifies too: $(ratio "${rate[nls_tcp]:-}" "${rate[rsync]:-}")"
echo "nls udp / quinn: $(ratio "${rate[nls_udp]:-}" "${rate[quinn]:-}")"
echo "key / plain: send $(ratio "${rate[key_tcp]:-}" "${rate[nls_tcp]:-}")," \
    "get $(ratio "${rate[key_get]:-}" "${rate[nls_get]:-}"), udp $(ratio "${rate[key_udp]:-}" "${rate[nls_udp]:-}")"
echo "nls send with a key / scp: $(ratio "${rate[key_tcp]:-}" "${rate[scp]:-}")"
echo "nls send over udp with a key / quinn: $(ratio "${rate[key_udp]:-}" "${rate[quinn]:-}")"
echo "nls udp / nls tcp: $(ratio "${rate[nls_udp]:-}" "${rate[nls_tcp]:-}")"
echo "chunk 1024 / default chunk: $(ratio "${rate[nls_1024]:-}" "${rate[nls_tcp]:-}")"
echo "window 1 chunk 1024 / stop-and-wait yardstick: $(ratio "${rate[nls_one]:-}" "${rate[yardstick]:-}")"
