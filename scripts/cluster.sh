#!/usr/bin/env bash
# A cluster on this machine, from a cluster.toml: every node is a process of its own.
#
#   scripts/cluster.sh up [ID...]     start the nodes (or these), wait until they serve
#   scripts/cluster.sh status         who runs, and how it is
#   scripts/cluster.sh restart ID     stop one in order and start it again, if the others are well
#   scripts/cluster.sh kill ID        end one with SIGKILL, as a crash would
#   scripts/cluster.sh down [ID...]   stop all (or these) in order
#
# With forming = "explicit" in its [cluster] the nodes of a new cluster do not serve before `vecraft cluster init`: `up` then ends
# once they wait for it, and says the command.
#
#   --config FILE   the configuration, default cluster.toml of this repository
#   --run DIR       where process ids and log lines are kept, default: cluster-data/run
#   --anyway        restart a node although another one is not well
#   --help          this text
#
# Data directories are those of the configuration, relative to the current directory. Only processes that `up` started
# are ever stopped: it notes their start times too, because a process id is given to another program one day. The program is VECRAFT_BIN, or the release build that scripts/quickstart.sh makes.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=scripts/env.sh
. "$here/env.sh"

SERVE_SECONDS_MAX=60
STOP_SECONDS_MAX=30
config="$VECRAFT_ROOT/cluster.toml"
# Set when a node waits for `vecraft cluster init`.
waiting=""
anyway=""
run="cluster-data/run"

usage() {
  sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"
}

fail() {
  echo "cluster: $1" >&2
  exit "${2:-1}"
}

# The value of a key of a node: the effective configuration has every key of every node.
value_of() {
  "$program" config print --config "$config" | awk -v id="$1" -v key="$2" '
    /^\[\[node\]\]/ { in_node = 1; this = "" }
    /^\[[^[]/ { in_node = 0 }
    in_node && $1 == "id" { this = $3 }
    in_node && this == id && $1 == key { sub(/^[^=]*= */, ""); gsub(/"/, ""); sub(/ *#.*/, ""); print; exit }'
}

all_ids() {
  "$program" config print --config "$config" | awk '/^\[\[node\]\]/ { n = 1 } /^\[[^[]/ { n = 0 } n && $1 == "id" { print $3 }'
}

# When a process was started, in ticks since the machine was; nothing when it has ended.
start_of() {
  local stat fields
  stat="$(cat "/proc/$1/stat" 2>/dev/null)" || return 1
  # Behind the program's name, which may hold anything: the state first.
  read -r -a fields <<<"${stat##*) }"
  [ "${fields[0]:-Z}" != Z ] || return 1
  echo "${fields[19]}"
}

# The process of a node, if it is still the one that `up` started.
pid_of() {
  local file="$run/node-$1.pid" pid="" noted="" now command
  [ ! -e "$file" ] || read -r pid noted <"$file" || true
  [[ "$pid" =~ ^[1-9][0-9]*$ ]] || return 1
  now="$(start_of "$pid")" || return 1
  if [ -n "$noted" ]; then
    [ "$now" = "$noted" ] || return 1
  else
    # Written by a script that noted no time: its arguments tell.
    command="$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)" || return 1
    [[ "$command" == *" serve "*" --node $1 "* ]] || return 1
  fi
  echo "$pid"
}

# How a node is: OK, DEGRADED with what it lacks, the reasons why it does not serve, or nothing when nobody answers.
health_of() {
  local host port
  host="$(value_of "$1" host)"
  port="$(value_of "$1" http_port)"
  # By the shell itself: a GET of one line needs no program that may be missing.
  # shellcheck disable=SC2016
  timeout 2 bash -c '
    exec 3<>"/dev/tcp/$1/$2"
    printf "GET /healthz HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" "$1" >&3
    sed "1,/^\r*$/d" <&3' _ "$host" "$port" 2>/dev/null || true
}

# Ends with a message when another program listens where the node is to listen: it would answer in the node's name.
check_ports() {
  local id="$1" host key port
  host="$(value_of "$id" host)"
  for key in milvus_port client_port node_port http_port; do
    port="$(value_of "$id" "$key")"
    # shellcheck disable=SC2016
    if timeout 2 bash -c 'exec 3<>"/dev/tcp/$1/$2"' _ "$host" "$port" 2>/dev/null; then
      fail "node $id cannot start: another program listens on $host:$port ($key of $config); stop it, or change the port"
    fi
  done
}

begin() {
  local id="$1" pid
  if pid_of "$id" >/dev/null; then
    echo "node $id runs already (process $(pid_of "$id"))"
    return
  fi
  mkdir -p "$run"
  nohup "$program" serve --config "$config" --node "$id" >>"$run/node-$id.log" 2>&1 &
  pid=$!
  echo "$pid $(start_of "$pid" || true)" >"$run/node-$id.pid"
}

await() {
  local id="$1" waited=0 health
  until health="$(health_of "$id")" && { [ "$health" = OK ] || [[ "$health" == DEGRADED:* ]]; }; do
    if [[ "$health" == *"vecraft cluster init"* ]]; then
      echo "node $id waits for a person's word (forming = \"explicit\")"
      waiting=1
      return
    fi
    pid_of "$id" >/dev/null || fail "node $id ended: $(tail -n 1 "$run/node-$id.log")"
    [ "$waited" -lt $((SERVE_SECONDS_MAX * 5)) ] || fail "node $id does not serve after $SERVE_SECONDS_MAX s: ${health:-no answer from its health port}; see $run/node-$id.log"
    waited=$((waited + 1))
    # Every five seconds, why it takes so long.
    [ $((waited % 25)) != 0 ] || echo "node $id does not serve yet: ${health:-no answer from its health port}"
    sleep 0.2
  done
  echo "node $id serves http://$(value_of "$id" host):$(value_of "$id" milvus_port) (process $(pid_of "$id"))"
  [ "$health" = OK ] || echo "node $id $health"
}

end() {
  local id="$1" pid waited=0
  pid="$(pid_of "$id")" || { echo "node $id does not run"; return; }
  kill "$pid"
  while pid_of "$id" >/dev/null; do
    [ "$waited" -lt $((STOP_SECONDS_MAX * 10)) ] || fail "node $id (process $pid) does not stop within $STOP_SECONDS_MAX s"
    waited=$((waited + 1))
    sleep 0.1
  done
  rm -f "$run/node-$id.pid"
  echo "node $id stopped"
}

# Ends with a message when a node that runs would be taken down while another one is not well: the majority may need that one.
check_others() {
  local id="$1" other health unwell=""
  [ -z "$anyway" ] && pid_of "$id" >/dev/null || return 0
  for other in $(all_ids); do
    [ "$other" != "$id" ] || continue
    health="does not run"
    ! pid_of "$other" >/dev/null || health="$(health_of "$other")"
    case "$health" in
      OK) ;;
      DEGRADED:*) [[ "$health" != *"out of service"* ]] || unwell+="; node $other $health" ;;
      *) unwell+="; node $other ${health:-does not answer}" ;;
    esac
  done
  [ -z "$unwell" ] || fail "node $id is not taken down: ${unwell#; }; see to that first, or say --anyway"
}

main() {
  local words=()
  while [ "$#" -gt 0 ]; do
    case "$1" in
      --config) config="${2:?--config needs a file}"; shift ;;
      --run) run="${2:?--run needs a directory}"; shift ;;
      --anyway) anyway=1 ;;
      -h | --help) usage; exit 0 ;;
      -*) fail "there is no option '$1'; see scripts/cluster.sh --help" 2 ;;
      *) words+=("$1") ;;
    esac
    shift
  done
  [ "${#words[@]}" -gt 0 ] || { usage; exit 2; }
  program="${VECRAFT_BIN:-$CARGO_TARGET_DIR/release/vecraft}"
  [ -x "$program" ] || fail "there is no program $program: build it with scripts/quickstart.sh, or set VECRAFT_BIN"
  [ -e "$config" ] || fail "there is no $config"
  local verb="${words[0]}" ids=("${words[@]:1}") known
  known=" $(all_ids | tr '\n' ' ')"
  local id
  for id in ${ids[@]+"${ids[@]}"}; do
    [[ "$known" == *" $id "* ]] || fail "there is no node '$id' in $config, there are:$known" 2
  done
  if [ "${#ids[@]}" = 0 ]; then
    read -r -a ids <<<"$known"
  fi
  case "$verb" in
    up)
      for id in "${ids[@]}"; do pid_of "$id" >/dev/null || check_ports "$id"; done
      for id in "${ids[@]}"; do begin "$id"; done
      for id in "${ids[@]}"; do await "$id"; done
      if [ -n "$waiting" ]; then
        echo "The nodes are up and empty, and become a cluster when you say so, once:"
        printf '  %q cluster init --config %q\n' "$program" "$config"
      fi
      ;;
    status)
      for id in "${ids[@]}"; do
        local health pid
        # Another program may answer on the port of a node that does not run.
        if pid="$(pid_of "$id")"; then
          health="$(health_of "$id")"
          printf 'node %-3s %-15s %s\n' "$id" "$pid" "${health:-no answer}"
        else
          printf 'node %-3s %s\n' "$id" 'not running'
        fi
      done
      ;;
    down)
      for id in "${ids[@]}"; do end "$id"; done
      ;;
    restart | kill)
      [ "${#words[@]}" = 2 ] || fail "$verb needs one node's id" 2
      id="${ids[0]}"
      if [ "$verb" = kill ]; then
        local pid
        pid="$(pid_of "$id")" || fail "node $id does not run"
        kill -KILL "$pid"
        rm -f "$run/node-$id.pid"
        echo "node $id killed (process $pid)"
      else
        check_others "$id"
        end "$id"
        begin "$id"
        await "$id"
      fi
      ;;
    *) fail "there is no command '$verb'; see scripts/cluster.sh --help" 2 ;;
  esac
}

main "$@"
