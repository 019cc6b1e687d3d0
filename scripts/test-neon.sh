#!/usr/bin/env bash
# Runs the tests of engine/kernel as ARM code on an emulated 64-bit ARM processor, which checks its NEON loops against
# the definitions. Not part of scripts/test.sh: it needs packages that nothing else does, and a toolchain's parts.
#
#   scripts/test-neon.sh                 all tests of the kernels
#   scripts/test-neon.sh bits            those whose name contains "bits"
#   VECRAFT_ARM_ROOT=/path scripts/test-neon.sh    with the libraries of ARM in another folder
#
# Speed cannot be told from an emulation; it is not measured.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=scripts/env.sh
. "$here/env.sh"
cd "$VECRAFT_ROOT"

target=aarch64-unknown-linux-gnu
arm_root="${VECRAFT_ARM_ROOT:-/usr/aarch64-linux-gnu}"
missing=()
command -v qemu-aarch64 >/dev/null 2>&1 || missing+=(qemu-user)
command -v aarch64-linux-gnu-gcc >/dev/null 2>&1 || missing+=(gcc-aarch64-linux-gnu)
[ -e "$arm_root/lib/ld-linux-aarch64.so.1" ] || missing+=(libc6-dev-arm64-cross)
if [ "${#missing[@]}" -gt 0 ]; then
  echo "Missing: ${missing[*]}. Install with:" >&2
  echo "  sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
  exit 1
fi
if [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target" ]; then
  echo "Missing: Rust's library for ARM. Install with:" >&2
  echo "  rustup target add $target" >&2
  exit 1
fi

# env.sh may have set a compiler of this machine for C; the linker is what ARM code needs.
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L $arm_root"
cargo clippy --locked --target "$target" -p vecraft-kernel --all-targets -- -D warnings
cargo test --locked --target "$target" -p vecraft-kernel --lib -- "$@"
