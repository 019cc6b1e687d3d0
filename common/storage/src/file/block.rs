//! Large immutable files, memory mapped, with a checksum per block.
//!
//! ```text
//! 0      prefix (magic "VCBF", envelope version, kind, version), block size u32, zeros up to 64
//! 64     data, contiguous: a column can be used in place, aligned to 64 bytes
//! +n     xxh3 of each 64 KiB block of the data, u64 each; the last block may be short
//! end-32 data length u64, number of blocks u64, xxh3 of header + block sums + these two u64, magic "VCBE" and four zeros
//! ```
//! That last sum stands for the whole content: two files are equal when their sums are ([`BlockFileInfo::checksum`]).

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::{FileKind, PREFIX_BYTES, check_prefix, prefix, temporary, u32_at, u64_at};
use crate::disk::parent;
use crate::{Disk, DiskFile, Error, MappedFile, OpenMode, Result, failpoint};

/// Bytes of data covered by one checksum.
pub const BLOCK_BYTES: usize = 64 << 10;

const MAGIC: [u8; 4] = *b"VCBF";
const END_MAGIC: [u8; 8] = *b"VCBE\0\0\0\0";
const HEAD_BYTES: usize = 64;
const TAIL_BYTES: usize = 32;

/// What a finished block file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockFileInfo {
    /// Bytes of data.
    pub data_bytes: u64,
    /// Bytes on disk.
    pub file_bytes: u64,
    /// Stands for kind, version and every byte of data.
    pub checksum: u64,
}

/// Writes a block file from front to back.
///
/// Nothing is visible under the final name before [`BlockWriter::finish`]; a writer that is dropped removes what it wrote.
#[derive(Debug)]
pub struct BlockWriter {
    disk: Arc<dyn Disk>,
    file: Arc<dyn DiskFile>,
    path: String,
    head: [u8; HEAD_BYTES],
    /// The block being filled.
    block: Vec<u8>,
    sums: Vec<u64>,
    finished: bool,
}

impl BlockWriter {
    /// Starts a file that will appear as `path`.
    pub fn create(disk: Arc<dyn Disk>, path: &str, kind: FileKind, version: u32) -> Result<Self> {
        let mut head = [0; HEAD_BYTES];
        head[..PREFIX_BYTES].copy_from_slice(&prefix(MAGIC, kind, version));
        head[PREFIX_BYTES..PREFIX_BYTES + 4].copy_from_slice(&(BLOCK_BYTES as u32).to_le_bytes());
        let file = disk.open(&temporary(path), OpenMode::Create)?;
        file.write_at(0, &head)?;
        let block = Vec::with_capacity(BLOCK_BYTES);
        Ok(Self { disk, file, path: path.to_owned(), head, block, sums: Vec::new(), finished: false })
    }

    /// Where the next byte goes, counted in data bytes from 0.
    #[must_use]
    pub fn position(&self) -> u64 {
        (self.sums.len() * BLOCK_BYTES + self.block.len()) as u64
    }

    /// Appends data.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK_BYTES - self.block.len()));
            self.block.extend_from_slice(now);
            if self.block.len() == BLOCK_BYTES {
                self.end_block()?;
            }
            bytes = later;
        }
        Ok(())
    }

    /// Appends zeros until the position is a multiple of `alignment`, at most 4096, and returns it.
    pub fn align(&mut self, alignment: u64) -> Result<u64> {
        let missing = self.position().next_multiple_of(alignment.clamp(1, 4096)) - self.position();
        self.write(&[0; 4096][..missing as usize])?;
        Ok(self.position())
    }

    fn end_block(&mut self) -> Result<()> {
        self.file.write_at((HEAD_BYTES + self.sums.len() * BLOCK_BYTES) as u64, &self.block)?;
        self.sums.push(xxh3_64(&self.block));
        self.block.clear();
        Ok(())
    }

    /// Writes the sums, syncs, renames and syncs the directory: the file is whole and durable when this returns.
    pub fn finish(mut self) -> Result<BlockFileInfo> {
        let data_bytes = self.position();
        if !self.block.is_empty() {
            self.end_block()?;
        }
        let mut foot = Vec::with_capacity(self.sums.len() * 8 + TAIL_BYTES);
        for sum in &self.sums {
            foot.extend_from_slice(&sum.to_le_bytes());
        }
        foot.extend_from_slice(&data_bytes.to_le_bytes());
        foot.extend_from_slice(&(self.sums.len() as u64).to_le_bytes());
        let checksum = whole_sum(&self.head, &foot);
        foot.extend_from_slice(&checksum.to_le_bytes());
        foot.extend_from_slice(&END_MAGIC);
        self.file.write_at(HEAD_BYTES as u64 + data_bytes, &foot)?;
        self.file.sync_data()?;
        failpoint::hit("file.before_rename")?;
        self.disk.rename(&temporary(&self.path), &self.path)?;
        self.finished = true;
        failpoint::hit("file.before_dir_sync")?;
        self.disk.sync_dir(parent(&self.path))?;
        Ok(BlockFileInfo {
            data_bytes,
            file_bytes: HEAD_BYTES as u64 + data_bytes + foot.len() as u64,
            checksum,
        })
    }
}

impl Drop for BlockWriter {
    fn drop(&mut self) {
        if !self.finished {
            // Best effort: a leftover is swept at the next start.
            let _ = self.disk.remove_file(&temporary(&self.path));
        }
    }
}

fn whole_sum(head: &[u8], foot: &[u8]) -> u64 {
    let mut sum = Xxh3::new();
    sum.update(head);
    sum.update(foot);
    sum.digest()
}

/// A block file open for reading. Clones share the mapping and what is already verified.
#[derive(Debug, Clone)]
pub struct BlockFile {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: String,
    map: MappedFile,
    version: u32,
    info: BlockFileInfo,
    /// One bit per block that was verified since opening.
    verified: Vec<AtomicU64>,
}

impl BlockFile {
    /// Maps `path` and checks header, footer and block sums, not yet the data. See [`super::read_published`] for the errors.
    pub fn open(disk: &dyn Disk, path: &str, kind: FileKind, supported: u32) -> Result<Self> {
        let map = disk.map(path)?;
        let version = check_prefix(path, &map, MAGIC, kind, supported)?;
        let len = map.len();
        let bad = |offset: usize, what: String| Err(Error::corrupt(path, offset as u64, what));
        if len < HEAD_BYTES + TAIL_BYTES {
            return bad(len, "file ends before its footer".to_owned());
        }
        if u32_at(&map, PREFIX_BYTES) as usize != BLOCK_BYTES {
            return bad(PREFIX_BYTES, format!("block size is {}", u32_at(&map, PREFIX_BYTES)));
        }
        if map[len - 8..] != END_MAGIC {
            return bad(len - 8, "end magic does not match".to_owned());
        }
        let tail = len - TAIL_BYTES;
        let (data_bytes, blocks) = (u64_at(&map, tail), u64_at(&map, tail + 8));
        let room = (tail - HEAD_BYTES) as u64;
        let fits = blocks.checked_mul(8).and_then(|sums| sums.checked_add(data_bytes)) == Some(room);
        if !fits || data_bytes.div_ceil(BLOCK_BYTES as u64) != blocks {
            return bad(tail, format!("{data_bytes} bytes in {blocks} blocks do not fill {room}"));
        }
        let foot = HEAD_BYTES + data_bytes as usize;
        let checksum = u64_at(&map, tail + 16);
        if whole_sum(&map[..HEAD_BYTES], &map[foot..tail + 16]) != checksum {
            return bad(tail + 16, "checksum of the block sums does not match".to_owned());
        }
        let verified = (0..blocks.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        let info = BlockFileInfo { data_bytes, file_bytes: len as u64, checksum };
        Ok(Self { inner: Arc::new(Inner { path: path.to_owned(), map, version, info, verified }) })
    }

    /// The caller's version in the file.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.inner.version
    }

    /// Sizes and checksum.
    #[must_use]
    pub fn info(&self) -> BlockFileInfo {
        self.inner.info
    }

    /// Path given at opening.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.inner.path
    }

    /// The mapping below, for advice to the kernel.
    #[must_use]
    pub fn mapping(&self) -> &MappedFile {
        &self.inner.map
    }

    /// Data bytes of `range`, after verifying each touched block once per opening. [`Error::Corrupt`] names the offset in the file.
    pub fn bytes(&self, range: Range<u64>) -> Result<&[u8]> {
        let data_bytes = self.inner.info.data_bytes;
        if range.start > range.end || range.end > data_bytes {
            let what = format!("bytes {}..{} asked of {data_bytes}", range.start, range.end);
            return Err(Error::corrupt(&self.inner.path, range.start, what));
        }
        let (start, end) = (range.start as usize, range.end as usize);
        if start < end {
            for block in start / BLOCK_BYTES..=(end - 1) / BLOCK_BYTES {
                self.verify_block(block)?;
            }
        }
        Ok(&self.data_unverified()[start..end])
    }

    /// Verifies every block that was not verified yet.
    pub fn verify_all(&self) -> Result<()> {
        (0..(self.inner.info.data_bytes as usize).div_ceil(BLOCK_BYTES))
            .try_for_each(|block| self.verify_block(block))
    }

    /// All data without a check: for inner loops over ranges that [`BlockFile::bytes`] or [`BlockFile::verify_all`] covered.
    #[must_use]
    pub fn data_unverified(&self) -> &[u8] {
        &self.inner.map[HEAD_BYTES..HEAD_BYTES + self.inner.info.data_bytes as usize]
    }

    fn verify_block(&self, block: usize) -> Result<()> {
        let (word, bit) = (&self.inner.verified[block / 64], 1_u64 << (block % 64));
        if word.load(Ordering::Relaxed) & bit != 0 {
            return Ok(());
        }
        let data = self.data_unverified();
        let start = block * BLOCK_BYTES;
        let wanted = u64_at(&self.inner.map, HEAD_BYTES + data.len() + block * 8);
        if xxh3_64(&data[start..data.len().min(start + BLOCK_BYTES)]) != wanted {
            let what = format!("checksum of block {block} does not match");
            return Err(Error::corrupt(&self.inner.path, (HEAD_BYTES + start) as u64, what));
        }
        // Two threads may both check a block; the sums are of immutable bytes, so nothing orders on this bit.
        word.fetch_or(bit, Ordering::Relaxed);
        Ok(())
    }
}
