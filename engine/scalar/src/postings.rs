//! The rows of each key: one after another in the order of the keys, or as a bitmap where that is smaller.
//!
//! A run of keys is one run of rows, and the bitmaps of the frequent ones among them.

use crate::parts::{Array, Parts, Tag, Writer};
use crate::{Error, Result};
use std::ops::Range;

/// A list spends 32 bits a row, a bitmap one bit for every row of the segment.
const LIST_BITS: usize = 32;

/// Writes the rows of keys in the order of the keys. `starts` has one more number than there are keys. `is_dense`: rows of
/// frequent keys become bitmaps.
pub(crate) fn write(writer: &mut Writer, total: usize, starts: &[u32], rows: &[u32], is_dense: bool) {
    let words = total.div_ceil(64);
    let (mut list_starts, mut list) = (Vec::with_capacity(starts.len()), Vec::new());
    let (mut dense, mut dense_words) = (Vec::new(), Vec::<u64>::new());
    for (key, pair) in starts.windows(2).enumerate() {
        list_starts.push(list.len() as u32);
        let own = &rows[pair[0] as usize..pair[1] as usize];
        if is_dense && own.len() * LIST_BITS > total {
            dense.push(key as u32);
            let first = dense_words.len();
            dense_words.resize(first + words, 0);
            own.iter().for_each(|row| dense_words[first + *row as usize / 64] |= 1 << (row % 64));
        } else {
            list.extend_from_slice(own);
        }
    }
    list_starts.push(list.len() as u32);
    writer.add(Tag::Starts, &list_starts);
    writer.add(Tag::Rows, &list);
    writer.add(Tag::Dense, &dense);
    writer.add(Tag::DenseWords, &dense_words);
}

#[derive(Clone)]
pub(crate) struct Postings {
    starts: Array<u32>,
    rows: Array<u32>,
    dense: Dense,
}

/// Keys with bitmaps.
#[derive(Clone)]
pub(crate) struct Dense {
    keys: Array<u32>,
    words: Array<u64>,
    /// Words of a bitmap.
    width: usize,
}

impl Dense {
    pub(crate) fn open(parts: &Parts, keys: usize) -> Result<Dense> {
        let width = parts.rows.div_ceil(64);
        let dense = Dense { keys: parts.array(Tag::Dense)?, words: parts.array(Tag::DenseWords)?, width };
        let own = dense.keys.get();
        let fits = own.windows(2).all(|pair| pair[0] < pair[1])
            && own.last().is_none_or(|key| (*key as usize) < keys)
            && dense.words.get().len() == own.len() * width;
        if fits { Ok(dense) } else { Err(Error::damaged("bitmaps of keys that are not there")) }
    }

    /// The places in the list of bitmaps of the keys in a run.
    fn places(&self, keys: &Range<usize>) -> Range<usize> {
        let own = self.keys.get();
        let before = |limit: usize| own.partition_point(|key| (*key as usize) < limit);
        before(keys.start)..before(keys.end)
    }

    /// The bitmap of a key, if it has one.
    pub(crate) fn of(&self, key: usize) -> Option<&[u64]> {
        let place = self.keys.get().binary_search(&(key as u32)).ok()?;
        self.words.get().get(place * self.width..(place + 1) * self.width)
    }
}

impl Postings {
    pub(crate) fn open(parts: &Parts, keys: usize) -> Result<Postings> {
        let postings = Postings {
            starts: parts.array(Tag::Starts)?,
            rows: parts.array(Tag::Rows)?,
            dense: Dense::open(parts, keys)?,
        };
        let (starts, rows) = (postings.starts.get(), postings.rows.get());
        let fits = starts.len() == keys + 1
            && starts[0] == 0
            && starts[keys] as usize == rows.len()
            && starts.is_sorted()
            && rows.iter().fold(true, |fits, row| fits & ((*row as usize) < parts.rows));
        if fits { Ok(postings) } else { Err(Error::damaged("rows that are not there")) }
    }

    fn list(&self, keys: &Range<usize>) -> &[u32] {
        let starts = self.starts.get();
        let run = starts.get(keys.start).zip(starts.get(keys.end));
        run.and_then(|(start, end)| self.rows.get().get(*start as usize..*end as usize)).unwrap_or(&[])
    }

    /// Bits that [`Postings::mark`] sets, where words of bitmaps count as bits.
    pub(crate) fn marks(&self, keys: &Range<usize>) -> usize {
        self.list(keys).len() + self.dense.places(keys).len() * self.dense.width
    }

    /// Sets the bits of the rows of these keys.
    pub(crate) fn mark(&self, keys: &Range<usize>, words: &mut [u64]) {
        for row in self.list(keys) {
            if let Some(word) = words.get_mut(*row as usize / 64) {
                *word |= 1 << (row % 64);
            }
        }
        let (bitmaps, width) = (self.dense.words.get(), self.dense.width);
        for place in self.dense.places(keys) {
            let bitmap = bitmaps.get(place * width..(place + 1) * width).unwrap_or(&[]);
            words.iter_mut().zip(bitmap).for_each(|(word, theirs)| *word |= theirs);
        }
    }
}
