//! Checksummed files that appear whole or not at all.
//!
//! Both kinds carry magic, envelope version, a kind of four letters and the caller's own version; both are written under
//! `PATH.tmp`, synced, renamed, and made durable by syncing the directory. A leftover `.tmp` is garbage of a crash and may be
//! removed at start.
//!
//! | | [`publish`] | [`BlockWriter`] |
//! |---|---|---|
//! | for | manifests, membership, small facts | columns, graphs, codes |
//! | checksum | one over the whole | one per 64 KiB block, and one over those |
//! | read | whole, verified | mapped, verified block by block |

mod block;
mod published;
#[cfg(test)]
mod tests;

pub use block::{BLOCK_BYTES, BlockFile, BlockFileInfo, BlockWriter};
pub use published::{publish, read_published};

use crate::{Error, Result};

/// Four ASCII letters that say what a file is, such as `*b"MANI"`. A file of another kind is refused as corrupt.
pub type FileKind = [u8; 4];

/// Version of the envelopes in this module, apart from the version of what callers put in them.
const ENVELOPE_VERSION: u16 = 1;

/// magic (4), envelope version (2), zero (2), kind (4), caller's version (4)
const PREFIX_BYTES: usize = 16;

fn prefix(magic: [u8; 4], kind: FileKind, version: u32) -> [u8; PREFIX_BYTES] {
    let mut bytes = [0; PREFIX_BYTES];
    bytes[..4].copy_from_slice(&magic);
    bytes[4..6].copy_from_slice(&ENVELOPE_VERSION.to_le_bytes());
    bytes[8..12].copy_from_slice(&kind);
    bytes[12..].copy_from_slice(&version.to_le_bytes());
    bytes
}

/// Checks the common prefix and returns the caller's version.
fn check_prefix(path: &str, bytes: &[u8], magic: [u8; 4], kind: FileKind, supported: u32) -> Result<u32> {
    if bytes.len() < PREFIX_BYTES {
        return Err(Error::corrupt(path, bytes.len() as u64, "file ends inside its header"));
    }
    if bytes[..4] != magic {
        return Err(Error::corrupt(path, 0, "magic does not match"));
    }
    let newer = |found, supported| Error::NewerVersion { path: path.to_owned(), found, supported };
    let envelope = u16::from_le_bytes([bytes[4], bytes[5]]);
    if envelope > ENVELOPE_VERSION {
        return Err(newer(envelope.into(), ENVELOPE_VERSION.into()));
    }
    if bytes[8..12] != kind {
        let shown = |kind: &[u8]| String::from_utf8_lossy(kind).into_owned();
        return Err(Error::corrupt(
            path,
            8,
            format!("kind is {:?}, expected {:?}", shown(&bytes[8..12]), shown(&kind)),
        ));
    }
    let version = u32_at(bytes, 12);
    if version > supported { Err(newer(version, supported)) } else { Ok(version) }
}

/// Reads a little-endian number; the caller has checked the length.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Reads a little-endian number; the caller has checked the length.
fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

fn temporary(path: &str) -> String {
    format!("{path}.tmp")
}
