//! The envelope: named parts, each read in place.
//!
//! ```text
//! "VSCX" | format u32 | family u32 | number of parts u32 | rows u64          24 bytes, little endian as everything
//! table    a part each: tag u32 | 0 u32 | start u64 | bytes u64
//! parts    each at a multiple of 8
//! ```
//! Sums are the business of the file around it.

use crate::{Error, Result};
use bytemuck::{AnyBitPattern, NoUninit};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::marker::PhantomData;

const MAGIC: [u8; 4] = *b"VSCX";
const FORMAT: u32 = 1;
const HEAD_BYTES: usize = 24;
const ENTRY_BYTES: usize = 24;
/// More parts than any index has.
const PARTS_MAX: u32 = 64;

/// What the keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Bools = 1,
    Ints = 2,
    Floats = 3,
    Texts = 4,
    Grams = 5,
}

impl Family {
    fn of(number: u32) -> Option<Family> {
        let all = [Family::Bools, Family::Ints, Family::Floats, Family::Texts, Family::Grams];
        all.into_iter().find(|family| *family as u32 == number)
    }
}

/// Names of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tag {
    /// Numbers in order, each once.
    Keys = 1,
    /// Where each text ends.
    Ends = 2,
    /// Texts in order, each once.
    Text = 3,
    /// Where the rows of each key start.
    Starts = 4,
    /// The rows.
    Rows = 5,
    /// Keys whose rows are bitmaps.
    Dense = 6,
    /// Their bitmaps.
    DenseWords = 8,
    /// Rows that have a value of the index's kind.
    Known = 9,
    /// Rows whose value no key stands for.
    Odd = 10,
    /// Lengths of grams.
    Lengths = 11,
    /// Rows of each gram.
    Counts = 12,
}

/// Puts parts together.
pub(crate) struct Writer {
    family: Family,
    rows: u64,
    parts: Vec<(Tag, Vec<u8>)>,
}

impl Writer {
    pub(crate) fn new(family: Family, rows: usize) -> Writer {
        Writer { family, rows: rows as u64, parts: Vec::new() }
    }

    pub(crate) fn add<T: NoUninit>(&mut self, tag: Tag, values: &[T]) {
        self.parts.push((tag, bytemuck::cast_slice(values).to_vec()));
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        let mut at = (HEAD_BYTES + self.parts.len() * ENTRY_BYTES).next_multiple_of(8);
        let total: usize = self.parts.iter().map(|(_, part)| part.len().next_multiple_of(8)).sum();
        let mut out = Vec::with_capacity(at + total);
        out.extend(MAGIC);
        for number in [FORMAT, self.family as u32, self.parts.len() as u32] {
            out.extend(number.to_le_bytes());
        }
        out.extend(self.rows.to_le_bytes());
        for (tag, part) in &self.parts {
            out.extend(u64::from(*tag as u32).to_le_bytes());
            out.extend((at as u64).to_le_bytes());
            out.extend((part.len() as u64).to_le_bytes());
            at += part.len().next_multiple_of(8);
        }
        for (_, part) in &self.parts {
            out.resize(out.len().next_multiple_of(8), 0);
            out.extend(part);
        }
        out.resize(out.len().next_multiple_of(8), 0);
        out
    }
}

/// The parts of an index.
pub(crate) struct Parts {
    pub(crate) family: Family,
    pub(crate) rows: usize,
    parts: BTreeMap<u64, Bytes>,
}

impl Parts {
    pub(crate) fn read(bytes: Bytes) -> Result<Parts> {
        let bytes = aligned(bytes);
        let short = || Error::damaged(format!("{} bytes are too few", bytes.len()));
        let u32_at = |at: usize| {
            let part = bytes.get(at..at + 4).and_then(|part| part.try_into().ok());
            part.map(u32::from_le_bytes).ok_or_else(short)
        };
        let u64_at = |at: usize| {
            let part = bytes.get(at..at + 8).and_then(|part| part.try_into().ok());
            part.map(u64::from_le_bytes).ok_or_else(short)
        };
        if bytes.get(..4) != Some(&MAGIC[..]) {
            return Err(Error::damaged("it does not begin as one"));
        }
        let (format, family, count, rows) = (u32_at(4)?, u32_at(8)?, u32_at(12)?, u64_at(16)?);
        if format != FORMAT {
            return Err(Error::damaged(format!("format {format}, {FORMAT} is known")));
        }
        let family = Family::of(family).ok_or_else(|| Error::damaged(format!("family {family}")))?;
        if count > PARTS_MAX || rows > u64::from(u32::MAX) {
            return Err(Error::damaged(format!("{count} parts over {rows} rows")));
        }
        let mut parts = BTreeMap::new();
        for number in 0..count as usize {
            let at = HEAD_BYTES + number * ENTRY_BYTES;
            let (tag, start, length) = (u64_at(at)?, u64_at(at + 8)?, u64_at(at + 16)?);
            let end = start.checked_add(length).filter(|end| *end <= bytes.len() as u64);
            let Some(end) = end.filter(|_| start.is_multiple_of(8)) else {
                return Err(Error::damaged(format!("part {tag} at {start} + {length}")));
            };
            parts.insert(tag, bytes.slice(start as usize..end as usize));
        }
        Ok(Parts { family, rows: rows as usize, parts })
    }

    /// A part; empty when it is not there.
    pub(crate) fn array<T: AnyBitPattern>(&self, tag: Tag) -> Result<Array<T>> {
        let bytes = self.bytes(tag);
        // An empty part lies nowhere.
        if !bytes.is_empty() && bytemuck::try_cast_slice::<u8, T>(&bytes).is_err() {
            return Err(Error::damaged(format!("part {tag:?} of {} bytes", bytes.len())));
        }
        Ok(Array { bytes, of: PhantomData })
    }

    pub(crate) fn bytes(&self, tag: Tag) -> Bytes {
        self.parts.get(&u64::from(tag as u32)).cloned().unwrap_or_default()
    }

    pub(crate) fn has(&self, tag: Tag) -> bool {
        self.parts.contains_key(&u64::from(tag as u32))
    }
}

/// Numbers are read in place, so they must lie where the processor wants them; a mapped file's do.
fn aligned(bytes: Bytes) -> Bytes {
    if bytes.as_ptr().align_offset(8) == 0 {
        return bytes;
    }
    let mut words = vec![0u64; bytes.len().div_ceil(8)];
    bytemuck::cast_slice_mut::<u64, u8>(&mut words)[..bytes.len()].copy_from_slice(&bytes);
    let length = bytes.len();
    Bytes::from_owner(Words(words)).slice(..length)
}

struct Words(Vec<u64>);

impl AsRef<[u8]> for Words {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

/// Numbers of a part.
#[derive(Clone)]
pub(crate) struct Array<T> {
    bytes: Bytes,
    of: PhantomData<T>,
}

impl<T: AnyBitPattern> Array<T> {
    /// The numbers. (That the bytes are some was seen when the part was taken.)
    pub(crate) fn get(&self) -> &[T] {
        bytemuck::try_cast_slice(&self.bytes).unwrap_or(&[])
    }
}
