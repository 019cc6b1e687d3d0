# Sourced: `need_packages` makes sure that what the build needs is installed.
# shellcheck shell=bash

# Whether bindgen will find libclang. libclang-cpp, another library, often stands beside it or without it: hence the
# names in full, the ones that bindgen itself looks for.
has_libclang() {
  [ -z "${LIBCLANG_PATH:-}" ] || return 0
  local dir
  for dir in /usr/lib/llvm-*/lib /usr/lib/*-linux-gnu /usr/lib64 /usr/local/lib; do
    if compgen -G "$dir/libclang.so*" >/dev/null || compgen -G "$dir/libclang-[0-9]*.so*" >/dev/null; then
      return 0
    fi
  done
  return 1
}

# Prints the Debian packages that are missing, by what they give rather than by their records, so that the same
# thing installed in another way counts as well.
missing_packages() {
  command -v g++ >/dev/null 2>&1 || echo g++
  command -v git >/dev/null 2>&1 || echo git
  command -v ccache >/dev/null 2>&1 || echo ccache
  [ -e /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
  # bindgen loads libclang while RocksDB's bindings are made.
  has_libclang || echo libclang-dev
  if ! command -v python3 >/dev/null 2>&1 || ! python3 -c 'import ensurepip, venv' >/dev/null 2>&1; then
    echo python3-venv
  fi
}

# Installs them, as root; otherwise says how and returns 1. Also returns 1 without a Rust toolchain.
need_packages() {
  local missing
  missing="$(missing_packages | tr '\n' ' ')"
  missing="${missing% }"
  if [ -n "$missing" ]; then
    local install="apt-get update && apt-get install -y --no-install-recommends $missing"
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
      echo "Missing: $missing. Install with:" >&2
      echo "  sudo sh -c '$install'" >&2
      return 1
    fi
    echo "Installing: $missing"
    DEBIAN_FRONTEND=noninteractive sh -c "$install" || return 1
  fi
  if ! command -v cargo >/dev/null 2>&1; then
    echo "Missing: Rust, version 1.95 or newer. See https://rustup.rs" >&2
    return 1
  fi
}
