//! Which rows an index of a path knows: those with a value of its kind, and those whose value no key stands for.

use crate::parts::{Array, Parts, Tag, Writer};
use crate::{Error, Result};
use vecraft_types::Bitmap;

/// As it is gathered.
pub(crate) struct KnownRows {
    /// Rows in the index.
    pub(crate) known: Bitmap,
    /// Rows of the kind whose value has no key.
    pub(crate) odd: Vec<u32>,
}

impl KnownRows {
    pub(crate) fn new(rows: usize) -> KnownRows {
        KnownRows { known: Bitmap::new(rows, false), odd: Vec::new() }
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.add(Tag::Known, self.known.words());
        writer.add(Tag::Odd, &self.odd);
    }
}

/// As it is read.
#[derive(Clone)]
pub(crate) struct Known {
    words: Array<u64>,
    odd: Array<u32>,
}

impl Known {
    pub(crate) fn open(parts: &Parts) -> Result<Known> {
        let known = Known { words: parts.array(Tag::Known)?, odd: parts.array(Tag::Odd)? };
        let is_right = !parts.has(Tag::Known) || known.words.get().len() == parts.rows.div_ceil(64);
        if !is_right || known.odd.get().iter().any(|row| *row as usize >= parts.rows) {
            return Err(Error::damaged("known rows that are not there"));
        }
        Ok(known)
    }

    /// Rows whose value no key stands for.
    pub(crate) fn odd(&self) -> usize {
        self.odd.get().len()
    }

    pub(crate) fn mark_odd(&self, words: &mut [u64]) {
        for row in self.odd.get() {
            if let Some(word) = words.get_mut(*row as usize / 64) {
                *word |= 1 << (row % 64);
            }
        }
    }

    pub(crate) fn mark(&self, sure: &mut [u64], unsure: &mut [u64]) {
        sure.iter_mut().zip(self.words.get()).for_each(|(word, known)| *word |= known);
        self.mark_odd(unsure);
    }
}
