# Sourced by every script: where the toolchain is, where builds go, how C++ objects are cached.
# shellcheck shell=bash
VECRAFT_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
export VECRAFT_ROOT
export VECRAFT_CACHE="${VECRAFT_CACHE:-$HOME/.cache/vecraft}"

# A target folder outside the checkout lets a fresh clone find compiled dependencies.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$VECRAFT_CACHE/target}"
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-auto}"

# rustup puts cargo there without always telling the shell.
if ! command -v cargo >/dev/null 2>&1 && [ -x "$HOME/.cargo/bin/cargo" ]; then
  export PATH="$HOME/.cargo/bin:$PATH"
fi
# With another HOME (a rehearsal with an empty one) the toolchain stays where cargo was installed.
if [ -z "${RUSTUP_HOME:-}" ] && [ ! -d "$HOME/.rustup" ] && command -v cargo >/dev/null 2>&1; then
  rustup_beside_cargo="$(dirname "$(dirname "$(dirname "$(command -v cargo)")")")/.rustup"
  if [ -d "$rustup_beside_cargo" ]; then
    export RUSTUP_HOME="$rustup_beside_cargo"
  fi
  unset rustup_beside_cargo
fi

# An exported RUSTFLAGS would replace the flags of .cargo/config.toml and build every dependency again.
if [ -n "${RUSTFLAGS:-}" ]; then
  echo "env.sh: RUSTFLAGS is ignored, the flags stand in .cargo/config.toml" >&2
  unset RUSTFLAGS
fi

if command -v ccache >/dev/null 2>&1; then
  export CC="ccache gcc" CXX="ccache g++"
  export CCACHE_DIR="${CCACHE_DIR:-$VECRAFT_CACHE/ccache}"
  export CCACHE_BASEDIR="${CCACHE_BASEDIR:-$CARGO_TARGET_DIR}"
  export CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=5G CCACHE_COMPRESS=1
fi
