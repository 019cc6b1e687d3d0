#!/usr/bin/env bash
# A cluster on this machine, from a cluster.toml: every node is a process of its own.
#
#   scripts/cluster.sh up [ID...]     start the nodes (or these), wait until they serve; after 60 s it says what is missing,
#                                     ends 1, and leaves them running (SERVE_SECONDS_MAX in the environment: another time)
#   scripts/cluster.sh status [ID...] who runs, and how it is; ends 0 when all (or these) run and are well, otherwise 3
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

SERVE_SECONDS_MAX="${SERVE_SECONDS_MAX:-60}"
STOP_SECONDS_MAX=30
config="$VECRAFT_ROOT/cluster.toml"
# What the configuration means, with every default.
effective=""
# Set when a node waits for `vecraft cluster init`.
waiting=""
anyway=""
run="cluster-data/run"
# Options that were given.
again=()

usage() {
  sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"
}

fail() {
  echo "cluster: $1" >&2
  exit "${2:-1}"
}

# The value of a key of a node: the effective configuration has every key of every node.
value_of() {
  awk -v id="$1" -v key="$2" '
    /^\[\[node\]\]/ { in_node = 1; this = "" }
    /^\[[^[]/ { in_node = 0 }
    in_node && $1 == "id" { this = $3 }
    in_node && this == id && $1 == key { sub(/^[^=]*= */, ""); gsub(/"/, ""); sub(/ *#.*/, ""); print; exit }' <<<"$effective"
}

all_ids() {
  awk '/^\[\[node\]\]/ { n = 1 } /^\[[^[]/ { n = 0 } n && $1 == "id" { print $3 }' <<<"$effective"
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

# How a node that runs is, in a line: OK, or what it lacks. Ends 0 when it is well.
standing_of() {
  local health address said
  health="$(health_of "$1")"
  if [ "$health" != OK ]; then
    echo "${health:-no answer from its health port}" | awk '{ printf "%s%s", (NR > 1 ? "; " : ""), $0 } END { print "" }'
    return 1
  fi
  # A node without a majority still answers some reads, so its health port says OK: ask what the cluster can do.
  address="$(value_of "$1" host):$(value_of "$1" client_port)"
  if said="$("$program" status --connect "$address" 2>&1)"; then
    echo OK
    return
  fi
  # The state, and the reasons below it.
  awk '/^state / { state = $2; next }
    state != "" && /^ / { sub(/^ +/, ""); reasons = reasons (reasons == "" ? ": " : "; ") $0; next }
    { if (state != "") exit; last = $0 }
    END { print (state == "" ? last : state reasons) }' <<<"$said"
  return 1
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

# What a node leaves that does not serve in time: its process, which goes on, and the nodes that it may wait for.
left_by() {
  local other away=() script
  # As this was called, to be copied.
  script="$(printf '%q ' "$0" ${again[@]+"${again[@]}"})"
  for other in $(all_ids); do
    pid_of "$other" >/dev/null || away+=("$other")
  done
  if [ "${#away[@]}" -gt 0 ]; then
    printf '\n  of the nodes of %s these do not run: %s; a cluster needs a majority of its nodes, a new one all of them: %sup %s' \
      "$config" "${away[*]}" "$script" "${away[*]}"
  fi
  printf '\n  node %s goes on (process %s) and serves when they are there; to stop it: %sdown %s' "$1" "$(pid_of "$1")" "$script" "$1"
}

await() {
  local id="$1" health since=$SECONDS told=$SECONDS
  until health="$(health_of "$id")" && { [ "$health" = OK ] || [[ "$health" == DEGRADED:* ]]; }; do
    if [[ "$health" == *"vecraft cluster init"* ]]; then
      echo "node $id waits for a person's word (forming = \"explicit\")"
      waiting=1
      return
    fi
    pid_of "$id" >/dev/null || fail "node $id ended: $(tail -n 1 "$run/node-$id.log")"
    if [ $((SECONDS - since)) -ge "$SERVE_SECONDS_MAX" ]; then
      fail "node $id does not serve after $SERVE_SECONDS_MAX s: ${health:-no answer from its health port}; see $run/node-$id.log$(left_by "$id")"
    fi
    # Every five seconds, why it takes so long.
    if [ $((SECONDS - told)) -ge 5 ]; then
      echo "node $id does not serve yet: ${health:-no answer from its health port}"
      told=$SECONDS
    fi
    sleep 0.2
  done
  echo "node $id serves http://$(value_of "$id" host):$(value_of "$id" milvus_port) (process $(pid_of "$id"))"
  [ "$health" = OK ] || echo "node $id $health"
}

# A node's line of `status`. Ends 0 when it runs and is well.
tell() {
  local pid standing is_well=0
  # Another program may answer on the port of a node that does not run.
  if pid="$(pid_of "$1")"; then
    standing="$(standing_of "$1")" || is_well=1
    printf 'node %-3s %-15s %s\n' "$1" "$pid" "$standing"
    return "$is_well"
  fi
  printf 'node %-3s %s\n' "$1" 'not running'
  return 1
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
      --config) config="${2:?--config needs a file}"; again+=(--config "$2"); shift ;;
      --run) run="${2:?--run needs a directory}"; again+=(--run "$2"); shift ;;
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
  effective="$("$program" config print --config "$config")" || fail "$config cannot be read, see above"
  local verb="${words[0]}" ids=("${words[@]:1}") known
  known=" $(all_ids | tr '\n' ' ')"
  local id pid
  for id in ${ids[@]+"${ids[@]}"}; do
    [[ "$known" == *" $id "* ]] || fail "there is no node '$id' in $config, there are:$known" 2
  done
  if [ "${#ids[@]}" = 0 ]; then
    read -r -a ids <<<"$known"
  fi
  # From another directory every node would seem stopped.
  if [[ " status down restart kill " == *" $verb "* ]] && [ ! -d "$run" ]; then
    fail "there is no $run here: call it where you called 'up', or name its --run directory" 3
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
      local answers waits=() is_well=1
      answers="$(mktemp -d)"
      # All at once: each that lacks a majority takes seconds to say so.
      for id in "${ids[@]}"; do
        tell "$id" >"$answers/$id" &
        waits+=($!)
      done
      for pid in "${waits[@]}"; do wait "$pid" || is_well=0; done
      for id in "${ids[@]}"; do cat "$answers/$id"; done
      rm -r "$answers"
      [ "$is_well" = 1 ] || exit 3
      ;;
    down)
      for id in "${ids[@]}"; do end "$id"; done
      ;;
    restart | kill)
      [ "${#words[@]}" = 2 ] || fail "$verb needs one node's id" 2
      id="${ids[0]}"
      if [ "$verb" = kill ]; then
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
