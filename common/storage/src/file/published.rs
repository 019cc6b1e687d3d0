//! Small files, one checksum over the whole.
//!
//! ```text
//! 0   prefix (magic "VCPF", envelope version, kind, version)
//! 16  length of the body, u64
//! 24  body
//! +n  xxh3 of everything before, u64
//! ```

use xxhash_rust::xxh3::xxh3_64;

use super::{FileKind, PREFIX_BYTES, check_prefix, prefix, temporary, u64_at};
use crate::disk::parent;
use crate::{Disk, Error, OpenMode, Result, failpoint};

const MAGIC: [u8; 4] = *b"VCPF";
const HEAD_BYTES: usize = PREFIX_BYTES + 8;
const TAIL_BYTES: usize = 8;

/// Writes `bytes` as the file `path`, replacing an older one atomically; durable when it returns.
pub fn publish(disk: &dyn Disk, path: &str, kind: FileKind, version: u32, bytes: &[u8]) -> Result<()> {
    let mut whole = Vec::with_capacity(HEAD_BYTES + bytes.len() + TAIL_BYTES);
    whole.extend_from_slice(&prefix(MAGIC, kind, version));
    whole.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    whole.extend_from_slice(bytes);
    whole.extend_from_slice(&xxh3_64(&whole).to_le_bytes());

    let temporary = temporary(path);
    let file = disk.open(&temporary, OpenMode::Create)?;
    file.write_at(0, &whole)?;
    file.sync_data()?;
    failpoint::hit("file.before_rename")?;
    disk.rename(&temporary, path)?;
    failpoint::hit("file.before_dir_sync")?;
    disk.sync_dir(parent(path))
}

/// Reads a file written by [`publish`] and returns its version and body. `supported` is the highest version the caller reads;
/// a higher one is [`Error::NewerVersion`], anything that does not check is [`Error::Corrupt`].
pub fn read_published(disk: &dyn Disk, path: &str, kind: FileKind, supported: u32) -> Result<(u32, Vec<u8>)> {
    let mut whole = disk.read_all(path)?;
    let version = check_prefix(path, &whole, MAGIC, kind, supported)?;
    if whole.len() < HEAD_BYTES + TAIL_BYTES {
        return Err(Error::corrupt(path, whole.len() as u64, "file ends before its checksum"));
    }
    let body_len = whole.len() - HEAD_BYTES - TAIL_BYTES;
    if u64_at(&whole, PREFIX_BYTES) != body_len as u64 {
        let what = format!("length says {}, file holds {body_len}", u64_at(&whole, PREFIX_BYTES));
        return Err(Error::corrupt(path, PREFIX_BYTES as u64, what));
    }
    let end = HEAD_BYTES + body_len;
    if xxh3_64(&whole[..end]) != u64_at(&whole, end) {
        return Err(Error::corrupt(path, end as u64, "checksum does not match"));
    }
    whole.truncate(end);
    whole.drain(..HEAD_BYTES);
    Ok((version, whole))
}
