#!/usr/bin/env bash
# From a fresh clone to answers: builds Vecraft, starts a node, loads 5,000 passages, searches them by 200 sentences.
#
#   scripts/quickstart.sh [--keep]      build and show
#   scripts/quickstart.sh --nodes 3     (or 5) the same on a cluster of three processes on this machine; then the leader is
#                                       killed with SIGKILL while rows are inserted, and the acknowledged ones counted
#
#   --kills N with --nodes 3 or 5: how often the leader is killed, 1 to 1000 (3)
#   --keep    let the node serve on until Ctrl-C; without it, it stops and leaves nothing behind but the build
#   --help    this text
#
# It needs about 6 GB of disk (for the build, outside the checkout, see scripts/env.sh), Rust 1.95 and a C++ compiler
# with libclang. Missing Debian packages are installed when run as root; otherwise it prints the line that does and
# ends. The first build takes ten to twenty minutes on two cores, later ones seconds.
#
# Ends 0 when everything was found, 1 when something is missing or failed, 2 when the options are wrong.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
DISK_GB_MIN=6

usage() {
  sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"
}

# Prints how many whole GB are free where a path is, or would be.
free_gb() {
  local path="$1"
  while [ ! -e "$path" ]; do
    path="$(dirname "$path")"
  done
  echo $(($(df -Pk "$path" | awk 'NR == 2 { print $4 }') / 1024 / 1024))
}

main() {
  local nodes=1 kills="" wants_kills="" demo=()
  while [ "$#" -gt 0 ]; do
    case "$1" in
      --keep) demo+=(--keep) ;;
      --nodes)
        [ "$#" -ge 2 ] || { echo "quickstart: --nodes needs a number" >&2; exit 2; }
        nodes="$2"
        shift
        ;;
      --nodes=*) nodes="${1#--nodes=}" ;;
      --kills)
        [ "$#" -ge 2 ] || { echo "quickstart: --kills needs a number" >&2; exit 2; }
        kills="$2" wants_kills=yes
        shift
        ;;
      --kills=*) kills="${1#--kills=}" wants_kills=yes ;;
      -h | --help) usage; exit 0 ;;
      *)
        echo "quickstart: there is no option '$1'; see scripts/quickstart.sh --help" >&2
        exit 2
        ;;
    esac
    shift
  done
  # Before the build: what the program refuses would only be heard after it.
  case "$nodes" in
    1 | 3 | 5) ;;
    *) echo "quickstart: --nodes is '$nodes', there can be 1, 3 or 5 (an even number survives no more losses)" >&2; exit 2 ;;
  esac
  if [ -n "$wants_kills" ]; then
    if [[ ! "$kills" =~ ^[1-9][0-9]{0,3}$ ]] || [ "$kills" -gt 1000 ]; then
      echo "quickstart: --kills is '$kills', wanted is a number from 1 to 1000" >&2
      exit 2
    fi
    if [ "$nodes" = 1 ]; then
      echo "quickstart: --kills needs --nodes 3 or 5: of a single node nobody takes over" >&2
      exit 2
    fi
    demo+=(--kills "$kills")
  fi
  if [ "$nodes" != 1 ]; then
    demo+=(--nodes "$nodes")
  fi

  # shellcheck source=scripts/packages.sh
  . "$here/packages.sh"
  # cargo may lie where only env.sh looks; ccache may be installed by need_packages: hence before and after.
  # shellcheck source=scripts/env.sh
  . "$here/env.sh"
  local program="$CARGO_TARGET_DIR/release/vecraft" free
  free="$(free_gb "$CARGO_TARGET_DIR")"
  # A build that is there already needs no room for another.
  if [ ! -x "$program" ] && [ "$free" -lt "$DISK_GB_MIN" ]; then
    echo "quickstart: $CARGO_TARGET_DIR has $free GB free, the build needs about $DISK_GB_MIN" >&2
    echo "            (CARGO_TARGET_DIR=/elsewhere scripts/quickstart.sh builds in another place)" >&2
    exit 1
  fi
  need_packages
  # shellcheck source=scripts/env.sh
  . "$here/env.sh"

  local began=$SECONDS
  echo "Building (release) into $CARGO_TARGET_DIR"
  (cd "$VECRAFT_ROOT" && cargo build --locked --release --package vecraft-server)
  echo "Built in $((SECONDS - began)) s: $program"
  echo
  exec "$program" demo ${demo[@]+"${demo[@]}"}
}

main "$@"
