# Sourced by every script: where builds go and how C++ objects are cached.
# shellcheck shell=bash
# A target folder outside the checkout lets a fresh clone find compiled dependencies.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/vecraft/target}"
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-auto}"
if command -v ccache >/dev/null 2>&1; then
  export CC="ccache gcc" CXX="ccache g++"
  export CCACHE_DIR="${CCACHE_DIR:-$HOME/.cache/vecraft/ccache}"
  export CCACHE_BASEDIR="${CCACHE_BASEDIR:-$CARGO_TARGET_DIR}"
  export CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=5G CCACHE_COMPRESS=1
fi
VECRAFT_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
export VECRAFT_ROOT
