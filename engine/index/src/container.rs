//! The file around an index: nothing inside is looked at before the checksum of all of it is right.
//!
//! ```text
//! 0   magic        8 bytes  "VCINDEX\n"
//! 8   version      u32 LE
//! 12  kind         u32 LE   IndexKind
//! 16  payload      ...
//! end-16  length   u64 LE   of the whole file
//! end-8   xxh3     u64 LE   of everything before it
//! ```

use crate::aligned::AlignedWords;
use crate::{Error, IndexKind, Result};
use bytes::Bytes;
use std::io::Write;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

const MAGIC: &[u8; 8] = b"VCINDEX\n";
const HEADER: usize = 16;
const FOOTER: usize = 16;

/// Newest format version; raised when a payload's layout changes.
pub(crate) const VERSION: u32 = 2;
/// The first version whose words stand at multiples of [`WORDS_AT`].
const VERSION_ALIGNED: u32 = 2;
/// Words stand at multiples of so many bytes from the start, so that a mapped file can be used in place.
pub(crate) const WORDS_AT: usize = 64;

/// Writes a payload in pieces and keeps the checksum.
pub(crate) struct Writer<'w> {
    out: &'w mut dyn Write,
    hash: Xxh3,
    written: u64,
}

impl<'w> Writer<'w> {
    /// Writes the header.
    pub(crate) fn new(out: &'w mut dyn Write, kind: IndexKind) -> Result<Self> {
        let mut writer = Writer { out, hash: Xxh3::new(), written: 0 };
        writer.bytes(MAGIC)?;
        writer.u32(VERSION)?;
        writer.u32(kind as u32)?;
        Ok(writer)
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.hash.update(bytes);
        self.written += bytes.len() as u64;
        Ok(self.out.write_all(bytes)?)
    }

    pub(crate) fn u32(&mut self, value: u32) -> Result<()> {
        self.bytes(&value.to_le_bytes())
    }

    pub(crate) fn u64(&mut self, value: u64) -> Result<()> {
        self.bytes(&value.to_le_bytes())
    }

    /// Length in elements, then the elements.
    pub(crate) fn slice<T: bytemuck::NoUninit>(&mut self, values: &[T]) -> Result<()> {
        self.u64(values.len() as u64)?;
        self.bytes(bytemuck::cast_slice(values))
    }

    /// Length in elements, zeros up to a boundary, then the words: [`Reader::words`] may use them in place.
    pub(crate) fn words(&mut self, words: &[u32]) -> Result<()> {
        self.u64(words.len() as u64)?;
        let missing = self.written.next_multiple_of(WORDS_AT as u64) - self.written;
        self.bytes(&[0; WORDS_AT][..missing as usize])?;
        self.bytes(bytemuck::cast_slice(words))
    }

    /// Writes length and checksum.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.u64(self.written + FOOTER as u64)?;
        let sum = self.hash.digest();
        self.out.write_all(&sum.to_le_bytes())?;
        Ok(self.out.flush()?)
    }
}

/// Reads a payload whose checksum was right. Lengths are still checked: a wrong one is an error, not a panic.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'b> {
    rest: &'b [u8],
    /// How far `rest` is from the start of the file.
    at: usize,
    version: u32,
    /// The mapping that the bytes are of, when words may be used in place.
    mapped: Option<&'b Bytes>,
}

impl<'b> Reader<'b> {
    /// Checks the whole file and returns its kind and a reader at the start of the payload.
    /// `mapped`: what `file` is a part of, when words of it may be used in place as long as the index lives.
    pub(crate) fn open(file: &'b [u8], mapped: Option<&'b Bytes>) -> Result<(IndexKind, Reader<'b>)> {
        if file.len() < HEADER + FOOTER {
            return Err(Error::corrupt(format!("{} bytes, shorter than any index file", file.len())));
        }
        let (before_sum, sum) = file.split_at(file.len() - 8);
        let (before_length, length) = before_sum.split_at(before_sum.len() - 8);
        if &file[..8] != MAGIC {
            return Err(Error::corrupt("magic number is wrong at offset 0"));
        }
        if le_u64(length) != file.len() as u64 {
            let text = format!("length says {} bytes, the file has {}", le_u64(length), file.len());
            return Err(Error::corrupt(text));
        }
        let computed = xxh3_64(before_sum);
        if le_u64(sum) != computed {
            let text = format!("checksum is {computed:016x}, the footer says {:016x}", le_u64(sum));
            return Err(Error::corrupt(text));
        }
        let mut reader = Reader { rest: &before_length[8..], at: 8, version: VERSION, mapped };
        let version = reader.u32()?;
        if version == 0 || version > VERSION {
            return Err(Error::Version { got: version, supported: VERSION });
        }
        reader.version = version;
        let number = reader.u32()?;
        let kind = IndexKind::from_number(number)
            .ok_or_else(|| Error::corrupt(format!("index kind {number} is unknown")))?;
        Ok((kind, reader))
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'b [u8]> {
        if count > self.rest.len() {
            let text = format!("payload ends {} bytes early", count - self.rest.len());
            return Err(Error::corrupt(text));
        }
        let (taken, rest) = self.rest.split_at(count);
        (self.rest, self.at) = (rest, self.at + count);
        Ok(taken)
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        Ok(self.bytes(4)?.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte)))
    }

    pub(crate) fn u64(&mut self) -> Result<u64> {
        Ok(le_u64(self.bytes(8)?))
    }

    /// What [`Writer::words`] wrote, which must be exactly `len` words: in place when the file is mapped, else a copy.
    pub(crate) fn words(&mut self, len: usize, what: &str) -> Result<AlignedWords> {
        let found = self.u64()?;
        if found != len as u64 {
            return Err(Error::corrupt(format!("{what} has {found} words, expected {len}")));
        }
        if self.version >= VERSION_ALIGNED {
            self.bytes(self.at.next_multiple_of(WORDS_AT) - self.at)?;
        }
        let bytes = len.checked_mul(size_of::<u32>());
        let bytes = self.bytes(bytes.ok_or_else(|| Error::corrupt(format!("{what} is too long")))?)?;
        match self.mapped {
            Some(mapped) => AlignedWords::mapped(mapped.slice_ref(bytes)),
            None => AlignedWords::copied(bytes),
        }
    }

    /// The bytes of a slice written by [`Writer::slice`], which must have exactly `len` elements.
    pub(crate) fn slice_bytes<T>(&mut self, len: usize, what: &str) -> Result<&'b [u8]> {
        let found = self.u64()?;
        if found != len as u64 {
            return Err(Error::corrupt(format!("{what} has {found} elements, expected {len}")));
        }
        let bytes =
            len.checked_mul(size_of::<T>()).ok_or_else(|| Error::corrupt(format!("{what} is too long")))?;
        self.bytes(bytes)
    }

    /// A slice written by [`Writer::slice`], copied out.
    pub(crate) fn slice<T: bytemuck::Pod>(&mut self, len: usize, what: &str) -> Result<Vec<T>> {
        let bytes = self.slice_bytes::<T>(len, what)?;
        let mut values = Vec::new();
        values.try_reserve_exact(len).map_err(|_| Error::OutOfMemory { bytes: bytes.len() })?;
        values.resize(len, T::zeroed());
        bytemuck::cast_slice_mut(&mut values).copy_from_slice(bytes);
        Ok(values)
    }

    /// Everything not read yet.
    pub(crate) fn remaining(self) -> &'b [u8] {
        self.rest
    }

    /// Refuses bytes nobody read.
    pub(crate) fn finish(self) -> Result<()> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(Error::corrupt(format!("{} bytes follow the payload", self.rest.len())))
    }
}

fn le_u64(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}
