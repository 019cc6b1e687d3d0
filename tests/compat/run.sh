#!/usr/bin/env bash
# Lets Milvus's own Python client, unmodified, speak to Vecraft.
#
#   tests/compat/run.sh [URI] [SCRIPT...]
#
# URI       a running server (http://127.0.0.1:19530). Without it a server is started from $VECRAFT_BIN (default:
#           `vecraft` on the PATH) on an empty directory and stopped at the end.
# SCRIPT    only these (quick_flow.py ...); default is all of them.
# VECRAFT_PYTHON   a Python with pymilvus 3.0.2 (default: python3).
#
# Ends 0 when every script did. Each prints one line per step; the first failed step ends its script with 1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

python="${VECRAFT_PYTHON:-python3}"
pymilvus_wanted="3.0.2"
scripts=(quick_flow.py hello_flow.py schema_flow.py vector_types_flow.py index_flow.py scalar_index_flow.py explain_flow.py iterator_flow.py compaction_flow.py bad_input.py unimplemented.py)

uri=""
if [[ "${1:-}" == http* ]]; then
  uri="$1"
  shift
fi
if [[ $# -gt 0 ]]; then
  scripts=("$@")
fi

found="$("$python" -c 'import importlib.metadata as m; print(m.version("pymilvus"))' 2>/dev/null || true)"
if [[ "$found" != "$pymilvus_wanted" ]]; then
  echo "compat: $python has pymilvus '${found:-none}', $pymilvus_wanted is needed: $python -m pip install pymilvus==$pymilvus_wanted" >&2
  exit 1
fi

server=""
directory=""
stop() {
  if [[ -n "$server" ]]; then
    kill -TERM "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  if [[ -n "$directory" ]]; then
    rm -rf "$directory"
  fi
}
trap stop EXIT

if [[ -z "$uri" ]]; then
  binary="${VECRAFT_BIN:-vecraft}"
  directory="$(mktemp -d)"
  port="$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
  "$binary" serve --data-dir "$directory/data" --listen "127.0.0.1:$port" >"$directory/log" 2>&1 &
  server=$!
  uri="http://127.0.0.1:$port"
  for _ in $(seq 300); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      break
    fi
    if ! kill -0 "$server" 2>/dev/null; then
      break
    fi
    sleep 0.1
  done
  if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo "compat: the server does not listen on port $port; its log ends:" >&2
    tail -n 40 "$directory/log" >&2
    exit 1
  fi
fi

failed=()
for script in "${scripts[@]}"; do
  echo "== $script"
  if ! "$python" -W ignore "$script" "$uri"; then
    failed+=("$script")
  fi
done

if [[ ${#failed[@]} -gt 0 ]]; then
  echo "compat: failed: ${failed[*]}" >&2
  if [[ -n "$directory" ]]; then
    echo "compat: the server's log ends:" >&2
    tail -n 40 "$directory/log" >&2
  fi
  exit 1
fi
echo "compat: ${#scripts[@]} scripts passed with pymilvus $found"
