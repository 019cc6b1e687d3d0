#!/usr/bin/env bash
# Puts vecraft on the hosts of a cluster.toml, by ssh: the program, the configuration, a systemd unit; one node after another.
#
#   scripts/deploy.sh --binary FILE [options] [ID...]     all nodes of the configuration, or only these
#
#   --binary FILE    the program to install, built for the hosts (default: the release build of scripts/quickstart.sh)
#   --config FILE    the configuration (default: cluster.toml of the current directory)
#   --secret FILE    the cluster's secret, copied to cluster.secret_file of the configuration, mode 0600 (default: left as it is)
#   --user NAME      whom to be on the hosts; needs sudo there without a password, unless it is root (default: root)
#   --service NAME   whom vecraft runs as; made when it is not there (default: vecraft)
#   --ssh COMMAND    how to reach a host (default: "ssh -o BatchMode=yes -o ConnectTimeout=10")
#   --first          the very first start of a new cluster: all nodes at once, because it forms only when all are there; with
#                    forming = "explicit" it also says vecraft cluster init
#   --together       all nodes at once, for a program of another protocol between nodes (vecraft --version says which): old and
#                    new nodes refuse each other, so nobody serves from the restart of the first half until that of the second
#   --anyway         take a node down although another one is not well (see below)
#   --dry-run        print every command and every file with its content, and change nothing
#   --help           this text
#
# What is on a host afterwards:
#   /usr/local/bin/vecraft                the program
#   /etc/vecraft/cluster.toml             the configuration, the same on every host
#   /etc/systemd/system/vecraft@.service  the unit; node 1 is vecraft@1, and so on
#   data_dir of the node                  made, owned by the service user; its content is never touched
#
# Done again it changes only what differs, and restarts only nodes for which something differs. Before it begins it checks the
# program, the configuration, and that every host can be reached. A node must serve (/healthz, asked on its host) within
# HEALTHY_SECONDS_MAX (120) before the next is touched; if one does not, it stops there and says so: the others go on serving.
# Before a node that runs is taken down all others that are installed are asked the same: one that does not serve, or has groups or
# shards out of service, may be the one that the majority needs meanwhile. Then nothing more is done, unless you say --anyway.
# What a node that serves lacks all the same (DEGRADED: a full disk, a damaged file) is said.
#
# Examples:
#   scripts/deploy.sh --binary vecraft --config cluster.toml --dry-run        look first
#   scripts/deploy.sh --binary vecraft --config cluster.toml --secret secret --first
#   scripts/deploy.sh --binary vecraft --config cluster.toml                  a new program whose nodes still speak with the old ones, rolling
#   scripts/deploy.sh --binary vecraft --config cluster.toml 4                a node that joins: vecraft node add 4 HOST:PORT first
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=scripts/env.sh
. "$here/env.sh"

HEALTHY_SECONDS_MAX="${HEALTHY_SECONDS_MAX:-120}"
BIN=/usr/local/bin/vecraft
ETC=/etc/vecraft
UNIT=/etc/systemd/system/vecraft@.service

binary="$CARGO_TARGET_DIR/release/vecraft"
sample="$VECRAFT_ROOT/cluster.toml"
config=""
secret=""
user=root
service=vecraft
ssh_command="ssh -o BatchMode=yes -o ConnectTimeout=10"
is_dry=""
is_first=""
is_together=""
is_anyway=""

usage() {
  sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"
}

fail() {
  echo "deploy: $1" >&2
  exit "${2:-1}"
}

# The value of a key of a table of the effective configuration: of `cluster`, or of the node with an id.
cluster_value() {
  awk -v key="$1" '/^\[cluster\]/ { on = 1 } /^\[/ && !/^\[cluster\]/ { on = 0 }
    on && $1 == key { sub(/^[^=]*= */, ""); gsub(/"/, ""); print; exit }' <<<"$effective"
}

node_value() {
  awk -v id="$1" -v key="$2" '
    /^\[\[node\]\]/ { on = 1; this = "" }
    /^\[[^[]/ { on = 0 }
    on && $1 == "id" { this = $3 }
    on && this == id && $1 == key { sub(/^[^=]*= */, ""); gsub(/"/, ""); print; exit }' <<<"$effective"
}

all_ids() {
  awk '/^\[\[node\]\]/ { on = 1 } /^\[[^[]/ { on = 0 } on && $1 == "id" { print $3 }' <<<"$effective"
}

# A command line on a node's host, as root, with the file $input at its standard input. With --dry-run it is only said.
on() {
  local id="$1" command="$2" host
  host="$(node_value "$id" host)"
  [ "$user" = root ] || command="sudo -n sh -c $(printf '%q' "$command")"
  if [ -n "$is_dry" ]; then
    printf '  on %s: %s\n' "$host" "$command"
  else
    # The command for ssh is several words on purpose.
    # shellcheck disable=SC2086
    $ssh_command "$user@$host" "$command" <"${input:-/dev/null}"
  fi
}

# Standard input to a file on a node's host, when it differs; through a new name, so that nobody sees half of it.
# Says "changed" or "same". With --dry-run the caller has printed the content.
put() {
  local id="$1" file="$2" mode="$3" owner="$4" from="$5" sum command host
  sum="$(sha256sum "$from" | cut -d' ' -f1)"
  command="if [ \"\$(sha256sum '$file' 2>/dev/null | cut -d' ' -f1)\" = $sum ]; then cat >/dev/null; chown $owner '$file'; chmod $mode '$file'; echo same; \
else mkdir -p -m 755 '$(dirname "$file")'; umask 077; cat >'$file.new'; chown $owner '$file.new'; chmod $mode '$file.new'; mv '$file.new' '$file'; echo changed; fi"
  if [ -n "$is_dry" ]; then
    host="$(node_value "$id" host)"
    printf '  to %s: %s (mode %s, owner %s) from %s, sha256 %s\n' "$host" "$file" "$mode" "$owner" "$from" "$sum"
    on "$id" "$command"
  else
    input="$from" on "$id" "$command"
  fi
}

unit_text() {
  cat <<UNIT
# Written by scripts/deploy.sh. Node 1 is vecraft@1.
[Unit]
Description=vecraft, node %i
After=network-online.target
Wants=network-online.target
# A node that was refused (another directory, another cluster) is tried five times and then stays down, with its reason in the log.
StartLimitIntervalSec=60
StartLimitBurst=5

[Service]
User=$service
Group=$service
ExecStart=$BIN serve --config $ETC/cluster.toml --node %i
Restart=on-failure
RestartSec=2
# It answers calls under way and writes a checkpoint; the next start is then quick.
KillSignal=SIGTERM
TimeoutStopSec=90
LimitNOFILE=65536
WorkingDirectory=/var/lib
NoNewPrivileges=true
ProtectSystem=full
PrivateTmp=true

[Install]
WantedBy=multi-user.target
UNIT
}

check() {
  [ -x "$binary" ] || fail "there is no program $binary: build it with scripts/quickstart.sh, or name it with --binary"
  version="$("$binary" --version)" || fail "$binary does not run on this machine, so it cannot check the configuration"
  # Said in full below: a name alone does not tell which of several files it was.
  config="$(realpath -m -- "${config:-cluster.toml}")"
  [ -e "$config" ] || fail "there is no $config: name the cluster.toml of your hosts with --config FILE"
  [ "$config" != "$(realpath -m -- "$sample")" ] \
    || fail "$config is for trying out three nodes on this machine (scripts/cluster.sh up); write one for your hosts, see docs/ops/deploy.md, \
and name it with --config FILE"
  effective="$("$binary" config print --config "$config")" || fail "$config is not valid, see above"
  secret_file="$(cluster_value secret_file)"
  case "$secret_file" in
    '' | '#'*) secret_file="" ;;
  esac
  [ -z "$secret" ] || [ -s "$secret" ] || fail "the secret $secret is missing or empty: openssl rand -hex 32 > $secret"
  [ -z "$secret" ] || [ -n "$secret_file" ] || fail "$config names no cluster.secret_file, so there is no place for --secret"
  local id known=" "
  for id in $(all_ids); do known+="$id "; done
  for id in ${ids[@]+"${ids[@]}"}; do
    [[ "$known" == *" $id "* ]] || fail "there is no node '$id' in $config, there are:$known" 2
  done
  [ "${#ids[@]}" -gt 0 ] || read -r -a ids <<<"$known"
  for id in "${ids[@]}"; do
    case "$(node_value "$id" data_dir)" in
      /*) ;;
      *) fail "node $id: data_dir $(node_value "$id" data_dir) is relative; on a host it must begin with /" ;;
    esac
  done
  echo "$version, cluster \"$(cluster_value name)\", nodes: ${ids[*]}, from $config"
  for id in "${ids[@]}"; do
    on "$id" "systemctl --version >/dev/null && command -v sha256sum >/dev/null" \
      || fail "node $id: $(node_value "$id" host) cannot be reached as $user, or has no systemd"
  done
  [ -n "$is_together" ] || [ -n "$is_dry" ] || check_protocol
}

# What a program says of the protocol between nodes; the first ones said nothing, and spoke the first.
protocol() {
  local said
  said="$(sed -n 's/.*protocol between nodes \([0-9]*\).*/\1/p')"
  echo "${said:-1}"
}

# One node after another, only if old and new ones speak with each other.
check_protocol() {
  local id ours there
  ours="$(protocol <<<"$version")"
  for id in "${ids[@]}"; do
    there="$(on "$id" "if [ -x $BIN ]; then $BIN --version; fi")"
    [ -n "$there" ] || continue
    there="$(protocol <<<"$there")"
    [ "$there" = "$ours" ] || fail "node $id has a program of protocol $there, this one speaks $ours: nodes of both refuse each other, so \
they cannot be replaced one after another. Nothing was changed. With --together all are replaced at once, with a short outage"
  done
}

# All files of a node.
install_node() {
  local id="$1" data_dir
  data_dir="$(node_value "$id" data_dir)"
  on "$id" "id -u $service >/dev/null 2>&1 || useradd --system --no-create-home --shell /usr/sbin/nologin $service"
  on "$id" "mkdir -p '$data_dir' && chown $service:$service '$data_dir' && chmod 700 '$data_dir'"
  put_one "$id" "$BIN" 755 root:root "$binary"
  put_one "$id" "$ETC/cluster.toml" 644 root:root "$config"
  [ -z "$secret" ] || put_one "$id" "$secret_file" 600 "$service:$service" "$secret"
  put_one "$id" "$UNIT" 644 root:root "$unit"
  on "$id" "systemctl daemon-reload && systemctl enable --quiet vecraft@$id"
}

put_one() {
  local said
  said="$(put "$@")"
  if [ -n "$is_dry" ]; then
    echo "$said"
  elif [ "$said" = changed ]; then
    echo "node $1: $2 is new"
  fi
}

# Starts a node anew unless it was started by us with just these files: a deployment that was cut off between a file and
# the restart, and two nodes of one host, are told apart by what is written down after the restart.
start_node() {
  local id="$1" said note="$ETC/started-$1"
  said="$(on "$id" "if [ \"\$(cat $note 2>/dev/null)\" = $stamp ]; then systemctl start vecraft@$id && echo same; \
else systemctl restart vecraft@$id && echo $stamp >$note && echo changed; fi")" || fail "node $id: systemd does not start it"
  if [ -n "$is_dry" ]; then
    echo "$said"
  elif [ "$said" = changed ]; then
    changed+=" $id"
    echo "node $id is started anew"
  fi
}

# A command that says how a node is, on its host, by the shell there: OK, DEGRADED with what it lacks; or it fails.
health_command() {
  local host port
  host="$(node_value "$1" host)"
  port="$(node_value "$1" http_port)"
  echo "timeout 2 bash -c 'exec 3<>/dev/tcp/$host/$port; printf \"GET /healthz HTTP/1.1\\r\\nHost: $host\\r\\nConnection: close\\r\\n\\r\\n\" >&3; \
grep -E -A 50 \"^(OK|DEGRADED:)\" <&3' 2>/dev/null"
}

# Refuses to take a node down while another one is not well. One that does not run, or is not started anew, takes nothing away.
check_others() {
  local id="$1" other said unwell=""
  [ -z "$is_together$is_anyway" ] || return 0
  said="$(on "$id" "if ! systemctl is-active --quiet vecraft@$id; then echo down; elif [ \"\$(cat $ETC/started-$id 2>/dev/null)\" = $stamp ]; then echo same; fi")"
  if [ -n "$is_dry" ]; then
    echo "$said"
  elif [ -n "$said" ]; then
    return 0
  fi
  for other in $(all_ids); do
    [ "$other" != "$id" ] || continue
    if [ -n "$is_dry" ]; then
      on "$other" "$(health_command "$other")"
      continue
    fi
    # A node of the file that was never put on its host is none yet. A host that does not answer is.
    said="$(on "$other" "systemctl is-enabled --quiet vecraft@$other || echo absent")" || said=""
    [ "$said" != absent ] || continue
    said="$(on "$other" "$(health_command "$other")")" || said="does not serve"
    case "$said" in
      OK) ;;
      DEGRADED:*"out of service"* | "does not serve") unwell+="; node $other $said" ;;
    esac
  done
  [ -z "$unwell" ] || fail "node $id is not taken down: ${unwell#; }. Nothing more was touched. See to that first, or say --anyway"
}

await_node() {
  local id="$1" said
  said="$(on "$id" "for i in \$(seq $HEALTHY_SECONDS_MAX); do $(health_command "$id") && exit 0; \
systemctl is-failed --quiet vecraft@$id && break; sleep 1; done; journalctl -u vecraft@$id -n 5 --no-pager; exit 1")" || {
    echo "$said"
    fail "node $id does not serve after $HEALTHY_SECONDS_MAX s, its last words are above. Nothing more was touched: the other nodes serve as before"
  }
  if [ -n "$is_dry" ]; then
    echo "$said"
  elif [ "$said" = OK ]; then
    echo "node $id is well"
  else
    echo "node $id $said"
  fi
}

main() {
  ids=()
  while [ "$#" -gt 0 ]; do
    case "$1" in
      --binary) binary="${2:?--binary needs a file}"; shift ;;
      --config) config="${2:?--config needs a file}"; shift ;;
      --secret) secret="${2:?--secret needs a file}"; shift ;;
      --user) user="${2:?--user needs a name}"; shift ;;
      --service) service="${2:?--service needs a name}"; shift ;;
      --ssh) ssh_command="${2:?--ssh needs a command}"; shift ;;
      --first) is_first=1 is_together=1 ;;
      --together) is_together=1 ;;
      --anyway) is_anyway=1 ;;
      --dry-run) is_dry=1 ;;
      -h | --help) usage; exit 0 ;;
      -*) fail "there is no option '$1'; see scripts/deploy.sh --help" 2 ;;
      *) ids+=("$1") ;;
    esac
    shift
  done
  [ -z "$is_dry" ] || echo "dry run: nothing is changed, and no host is asked"
  check
  unit="$(mktemp)"
  trap 'rm -f "$unit"' EXIT
  unit_text >"$unit"
  if [ -n "$is_dry" ]; then
    printf '\n--- %s\n' "$UNIT"
    cat "$unit"
    printf '\n--- %s\n' "$ETC/cluster.toml"
    cat "$config"
    echo
  fi
  stamp="$(cat "$binary" "$config" "$unit" ${secret:+"$secret"} | sha256sum | cut -d' ' -f1)"
  changed=""
  local id
  for id in "${ids[@]}"; do
    echo "node $id on $(node_value "$id" host)"
    check_others "$id"
    install_node "$id"
    # A cluster that forms waits for all of its nodes, so none is well before all are started.
    start_node "$id"
    [ -n "$is_together" ] || await_node "$id"
  done
  if [ -n "$is_first" ] && [ "$(cluster_value forming)" = explicit ]; then
    # --first is the person's word for which the nodes wait.
    on "${ids[0]}" "$BIN cluster init --config $ETC/cluster.toml" || fail "the cluster is not formed, see above"
  fi
  [ -z "$is_together" ] || for id in "${ids[@]}"; do await_node "$id"; done
  [ -n "$is_dry" ] || echo "done; started anew:${changed:- none, nothing differs}"
}

main "$@"
