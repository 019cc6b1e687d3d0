//! Pieces of texts and the rows of each: NGRAM. What a pattern asks for are candidates; their texts are looked at by the
//! filter.
//!
//! Pieces of two lengths are kept, the shortest and the longest that were asked for: a literal of the pattern that is at least
//! as long as the longest is looked up by those, which are rarer, another one by the shortest. Rows of a piece are kept as
//! differences of 7 bits a byte, those of frequent pieces as bitmaps.

use crate::dictionary::TextKeys;
use crate::known::Known;
use crate::parts::{Array, Parts, Tag, Writer};
use crate::postings::Dense;
use crate::{Error, Result};
use std::collections::BTreeSet;
use std::fmt;
use vecraft_expr::{Ask, Estimate, FieldIndex, Like};

/// Pieces that are looked up for a pattern, the rarest; more of them rule out little more.
const LOOKED_UP_MAX: usize = 6;
/// A difference takes at least 8 bits.
const LIST_BITS: usize = 8;

/// The rows of one piece while it is gathered: differences, and the last row.
#[derive(Default)]
pub(crate) struct GramRows {
    differences: Vec<u8>,
    next: u32,
    count: u32,
}

impl GramRows {
    /// Adds a row after those already there; answers how many bytes that took.
    pub(crate) fn push(&mut self, row: u32) -> usize {
        let before = self.differences.len();
        let mut rest = row - self.next;
        while rest >= 0x80 {
            self.differences.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.differences.push(rest as u8);
        (self.next, self.count) = (row + 1, self.count + 1);
        self.differences.len() - before
    }
}

/// The pieces of a text of this many characters.
pub(crate) fn pieces(text: &str, chars: usize) -> impl Iterator<Item = &str> {
    // Where each character begins, and the end.
    let starts = text.char_indices().map(|(at, _)| at);
    let ends = text.char_indices().map(|(at, _)| at).chain(std::iter::once(text.len())).skip(chars);
    starts.zip(ends).map(move |(start, end)| &text[start..end])
}

/// Writes pieces in their order.
pub(crate) fn write(
    writer: &mut Writer,
    total: usize,
    lengths: [u32; 2],
    grams: Vec<(String, GramRows)>,
) -> Result<()> {
    let (mut ends, mut text) = (Vec::with_capacity(grams.len()), String::new());
    let (mut starts, mut counts, mut lists) = (Vec::new(), Vec::new(), Vec::<u8>::new());
    let (mut dense, mut words) = (Vec::new(), Vec::<u64>::new());
    let position =
        |bytes: usize| u32::try_from(bytes).map_err(|_| Error::TooLarge("pieces of texts beyond 4 GiB"));
    for (key, (gram, rows)) in grams.into_iter().enumerate() {
        text.push_str(&gram);
        ends.push(position(text.len())?);
        starts.push(position(lists.len())?);
        counts.push(rows.count);
        if rows.count as usize * LIST_BITS > total {
            dense.push(key as u32);
            let first = words.len();
            words.resize(first + total.div_ceil(64), 0);
            mark(&rows.differences, &mut words[first..]);
        } else {
            lists.extend(rows.differences);
        }
    }
    starts.push(position(lists.len())?);
    writer.add(Tag::Lengths, &lengths);
    writer.add(Tag::Ends, &ends);
    writer.add(Tag::Text, text.as_bytes());
    writer.add(Tag::Starts, &starts);
    writer.add(Tag::Counts, &counts);
    writer.add(Tag::Rows, &lists);
    writer.add(Tag::Dense, &dense);
    writer.add(Tag::DenseWords, &words);
    Ok(())
}

/// Sets the bits of rows kept as differences. Bytes that are none set no bit that is not there.
fn mark(differences: &[u8], words: &mut [u64]) {
    let (mut row, mut part, mut shift) = (0u64, 0u64, 0u32);
    for byte in differences {
        part |= u64::from(byte & 0x7f) << shift.min(56);
        shift += 7;
        if byte & 0x80 != 0 {
            continue;
        }
        row = row.saturating_add(part);
        if let Some(word) = words.get_mut((row / 64) as usize) {
            *word |= 1 << (row % 64);
        }
        row = row.saturating_add(1);
        (part, shift) = (0, 0);
    }
}

/// See the module.
pub(crate) struct Grams {
    keys: TextKeys,
    lengths: [u32; 2],
    starts: Array<u32>,
    counts: Array<u32>,
    lists: Array<u8>,
    dense: Dense,
    rows: usize,
    known: Known,
    steps: Option<Vec<String>>,
}

impl Grams {
    pub(crate) fn open(parts: Parts, steps: Option<Vec<String>>) -> Result<Grams> {
        let keys = TextKeys::open(&parts)?;
        let lengths: Array<u32> = parts.array(Tag::Lengths)?;
        let Ok(lengths) = <[u32; 2]>::try_from(lengths.get()) else {
            return Err(Error::damaged("pieces without a length"));
        };
        let grams = Grams {
            lengths,
            starts: parts.array(Tag::Starts)?,
            counts: parts.array(Tag::Counts)?,
            lists: parts.array(Tag::Rows)?,
            dense: Dense::open(&parts, keys.len())?,
            rows: parts.rows,
            known: Known::open(&parts)?,
            steps,
            keys,
        };
        let (starts, count) = (grams.starts.get(), grams.keys.len());
        let fits = starts.len() == count + 1
            && starts.is_sorted()
            && starts[count] as usize == grams.lists.get().len()
            && grams.counts.get().len() == count
            && 0 < lengths[0]
            && lengths[0] <= lengths[1]
            && grams.steps.is_some() == parts.has(Tag::Known);
        if fits { Ok(grams) } else { Err(Error::damaged("rows of pieces that are not there")) }
    }

    /// The pieces to look up, the rarest first. `None`: the pattern has none that are long enough. A piece that no text has
    /// answers at once: an empty list.
    fn wanted(&self, like: &Like<'_>) -> Option<Vec<usize>> {
        let mut wanted = BTreeSet::new();
        let mut is_answered = false;
        for literal in &like.pieces {
            let chars = literal.chars().count();
            let fitting =
                self.lengths.iter().rev().map(|length| *length as usize).find(|length| *length <= chars);
            let Some(length) = fitting else { continue };
            is_answered = true;
            for piece in pieces(literal, length) {
                let Some(key) = self.keys.find(piece) else { return Some(Vec::new()) };
                wanted.insert((self.counts.get()[key], key));
            }
        }
        is_answered.then(|| wanted.into_iter().take(LOOKED_UP_MAX).map(|(_, key)| key).collect())
    }

    fn mark_piece(&self, key: usize, words: &mut [u64]) {
        if let Some(bitmap) = self.dense.of(key) {
            words.iter_mut().zip(bitmap).for_each(|(word, theirs)| *word |= theirs);
            return;
        }
        let starts = self.starts.get();
        let list = self.lists.get().get(starts[key] as usize..starts[key + 1] as usize);
        mark(list.unwrap_or(&[]), words);
    }
}

impl FieldIndex for Grams {
    fn steps(&self) -> Option<&[String]> {
        self.steps.as_deref()
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn estimate(&self, ask: &Ask<'_>) -> Option<Estimate> {
        let Ask::Like(like) = ask else { return None };
        let counts = self.counts.get();
        let wanted = self.wanted(like)?;
        let unsure = wanted.first().map_or(0, |key| counts[*key] as usize);
        let listed = |key: &usize| (counts[*key] as usize).min(self.rows.div_ceil(8));
        // Each bitmap is cleared and joined.
        let marks = wanted.iter().map(listed).sum::<usize>() + wanted.len() * self.rows.div_ceil(64);
        Some(Estimate { marks, unsure, compared: wanted.len() })
    }

    fn mark(&self, ask: &Ask<'_>, _: &mut [u64], unsure: &mut [u64]) {
        let Ask::Like(like) = ask else { return };
        let Some(wanted) = self.wanted(like) else { return };
        let Some((first, rest)) = wanted.split_first() else { return };
        let mut found = vec![0; self.rows.div_ceil(64)];
        self.mark_piece(*first, &mut found);
        let mut others = vec![0; found.len()];
        for key in rest {
            others.fill(0);
            self.mark_piece(*key, &mut others);
            found.iter_mut().zip(&others).for_each(|(word, theirs)| *word &= theirs);
        }
        unsure.iter_mut().zip(&found).for_each(|(word, theirs)| *word |= theirs);
    }

    fn mark_known(&self, sure: &mut [u64], unsure: &mut [u64]) {
        self.known.mark(sure, unsure);
    }

    fn memory_bytes(&self) -> usize {
        size_of::<Grams>()
    }
}

impl fmt::Debug for Grams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Grams({} pieces of {} rows)", self.keys.len(), self.rows)
    }
}
