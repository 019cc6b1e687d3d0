#!/usr/bin/env bash
# Runs every check of the repository and says at the end how many passed and failed.
#
#   scripts/test.sh                 everything
#   scripts/test.sh fmt clippy      only these steps
#   scripts/test.sh --list          the steps
#
# Steps run in order, and a step that fails does not keep the later ones from running. Each writes its output to
# a file too; the summary names it. Builds lie outside the checkout, see scripts/env.sh.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=scripts/env.sh
. "$here/env.sh"
# shellcheck source=scripts/packages.sh
. "$here/packages.sh"
cd "$VECRAFT_ROOT"

PYMILVUS_VERSION=3.0.2
CHAOS_ROUNDS="${CHAOS_ROUNDS:-5}"
CHAOS_SECONDS="${CHAOS_SECONDS:-40}"
CHAOS_SEED="${CHAOS_SEED:-1}"
TARGET_MIB_MAX=12000
FREE_MIB_MIN=8000
STEPS=(packages room fetch fmt clippy tests doctests compat chaos)

step_packages() {
  need_packages
}

# Clones at other paths leave their own builds behind in the shared target folder; a full disk then fails tests that
# have nothing to do with it. So what grew is cleared (libraries stay), and too little room is said before anything runs.
step_room() {
  if [ "$(du -sm "$CARGO_TARGET_DIR" | cut -f1)" -gt "$TARGET_MIB_MAX" ]; then
    echo "$CARGO_TARGET_DIR is above $TARGET_MIB_MAX MiB: clearing the builds of Vecraft's own crates"
    cargo clean --workspace
  fi
  local folder free
  for folder in "$CARGO_TARGET_DIR" "${TMPDIR:-/tmp}"; do
    free="$(df --output=avail -m "$folder" | tail -n 1 | tr -d ' ')"
    echo "$folder: $free MiB free"
    if [ "$free" -lt "$FREE_MIB_MIN" ]; then
      echo "$folder has $free MiB free, the tests need $FREE_MIB_MIN: free some, or set CARGO_TARGET_DIR or TMPDIR" >&2
      return 1
    fi
  done
}

step_fetch() {
  cargo fetch --locked
}

step_fmt() {
  cargo fmt --all --check
}

step_clippy() {
  cargo clippy --locked --workspace --all-targets -- -D warnings
}

step_tests() {
  # Tests that this machine cannot run say so here, for the output of tests that pass is shown to nobody.
  VECRAFT_SKIPPED="$(mktemp)"
  export VECRAFT_SKIPPED
  local result=0
  if command -v cargo-nextest >/dev/null 2>&1; then
    cargo nextest run --locked --workspace --no-fail-fast --no-tests fail || result=$?
  else
    cargo test --locked --workspace --all-targets --no-fail-fast || result=$?
  fi
  cat "$VECRAFT_SKIPPED"
  echo "$(wc -l <"$VECRAFT_SKIPPED") tests skipped on this machine"
  rm -f "$VECRAFT_SKIPPED"
  return "$result"
}

step_doctests() {
  cargo test --locked --workspace --doc --no-fail-fast
}

step_compat() {
  python_with_pymilvus
  build_server
  bash tests/compat/run.sh
}

step_chaos() {
  build_server
  cargo run --locked --package vecraft-test-chaos -- kill9 --rounds "$CHAOS_ROUNDS"
  # Its lines "skipped: KIND, WHY" and their number say what this machine cannot do.
  cargo run --locked --package vecraft-test-chaos -- cluster --seconds "$CHAOS_SECONDS" --seed "$CHAOS_SEED"
}

# An unmodified Milvus client, in a virtual environment outside the checkout. Exports VECRAFT_PYTHON.
python_with_pymilvus() {
  local venv="$VECRAFT_CACHE/venv"
  export VECRAFT_PYTHON="$venv/bin/python"
  local installed=""
  if [ -x "$VECRAFT_PYTHON" ]; then
    installed="$("$VECRAFT_PYTHON" -c 'import importlib.metadata as m; print(m.version("pymilvus"))' 2>/dev/null || true)"
  fi
  if [ "$installed" != "$PYMILVUS_VERSION" ]; then
    python3 -m venv --clear "$venv"
    "$VECRAFT_PYTHON" -m pip install --quiet --disable-pip-version-check "pymilvus==$PYMILVUS_VERSION"
  fi
}

# The program under test. Exports VECRAFT_BIN.
build_server() {
  cargo build --locked --package vecraft-server
  export VECRAFT_BIN="$CARGO_TARGET_DIR/debug/vecraft"
  [ -x "$VECRAFT_BIN" ] || { echo "the build left no $VECRAFT_BIN" >&2; return 1; }
}

# What a step's output says about its tests: "passed failed", or nothing when it speaks of none.
# Understood are cargo's result lines, nextest's summary, and lines of the form "N passed, N failed".
count_tests() {
  sed 's/\x1b\[[0-9;]*m//g' "$1" | awk '
    /^test result: / { passed += $4; failed += $6; seen = 1 }
    /^ +Summary \[/ {
      for (i = 2; i <= NF; i++) {
        if ($i ~ /^passed/) passed += $(i - 1)
        if ($i ~ /^failed/ || $i ~ /^timed/) failed += $(i - 1)
      }
      seen = 1
    }
    /^[0-9]+ passed, [0-9]+ failed$/ { passed += $1; failed += $3; seen = 1 }
    END { if (seen) print passed + 0, failed + 0 }'
}

main() {
  case "${1:-}" in
    --list) printf '%s\n' "${STEPS[@]}"; exit 0 ;;
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
  esac
  local chosen=("${STEPS[@]}")
  if [ "$#" -gt 0 ]; then
    chosen=("$@")
  fi
  local known step
  for step in "${chosen[@]}"; do
    known=" ${STEPS[*]} "
    if [[ "$known" != *" $step "* ]]; then
      echo "there is no step '$step', there are: ${STEPS[*]}" >&2
      exit 2
    fi
  done

  logs="$CARGO_TARGET_DIR/test-logs"
  rm -rf "$logs"
  mkdir -p "$logs"
  local passed=0 failed=0 lines=() started=$SECONDS
  for current in "${chosen[@]}"; do
    local begun=$SECONDS status=0 log="$logs/$current.log"
    printf '\n=== %s\n' "$current"
    # A subshell of its own, so that errexit holds inside the step (it would not inside a condition).
    set +e
    (set -e; "step_$current") 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    set -e
    if [ "$current" = packages ]; then
      # A freshly installed ccache should serve this run already.
      # shellcheck source=scripts/env.sh
      . "$here/env.sh"
    fi
    local seconds=$((SECONDS - begun)) counts step_passed=0 step_failed=0 verdict=passed
    counts="$(count_tests "$log")"
    if [ -n "$counts" ]; then
      read -r step_passed step_failed <<<"$counts"
    elif [ "$status" = 0 ]; then
      step_passed=1
    fi
    # A step may fail without a failed test (it did not build), and no failed test may hide in a step that ended 0.
    if [ "$status" != 0 ] && [ "$step_failed" = 0 ]; then
      step_failed=1
    fi
    if [ "$step_failed" != 0 ]; then
      verdict="FAILED, see $log"
    fi
    passed=$((passed + step_passed))
    failed=$((failed + step_failed))
    printf -- '--- %s: %s (%d s)\n' "$current" "$verdict" "$seconds"
    lines+=("$(printf '%-10s %5d passed %4d failed %5d s  %s' "$current" "$step_passed" "$step_failed" "$seconds" "$verdict")")
    # Without packages, room or sources every later step would fail for the same reason.
    if [ "$status" != 0 ] && [[ " packages room fetch " == *" $current "* ]]; then
      break
    fi
  done

  printf '\n=== summary (%d s)\n' "$((SECONDS - started))"
  printf '%s\n' "${lines[@]}"
  printf '%d passed, %d failed\n' "$passed" "$failed"
  [ "$failed" = 0 ]
}

main "$@"
