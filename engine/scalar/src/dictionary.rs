//! Distinct values in order and the rows of each: INVERTED, BITMAP, STL_SORT and TRIE.

use crate::known::Known;
use crate::parts::{Array, Family, Parts, Tag};
use crate::postings::Postings;
use crate::{Error, Result};
use bytes::Bytes;
use std::cmp::Ordering;
use std::fmt;
use std::ops::{Bound, Range};
use vecraft_expr::{Ask, Estimate, FieldIndex};

/// Finding a value among a million costs about as much as comparing so many short texts with a pattern.
const FIND: usize = 8;
/// A list with more values than one for so many rows is not looked up: one pass over the column does the same.
const ROWS_A_VALUE: usize = 16;

/// See the module.
pub(crate) struct Dictionary {
    keys: Keys,
    postings: Postings,
    rows: usize,
    known: Known,
    steps: Option<Vec<String>>,
}

enum Keys {
    /// false is 0, true is 1.
    Bools(Array<i64>),
    Ints(Array<i64>),
    /// Without NaN; 0.0 stands for -0.0 too.
    Floats(Array<f64>),
    Texts(TextKeys),
}

/// Texts in order, each once.
pub(crate) struct TextKeys {
    ends: Array<u32>,
    text: Bytes,
}

impl TextKeys {
    pub(crate) fn open(parts: &Parts) -> Result<TextKeys> {
        let keys = TextKeys { ends: parts.array(Tag::Ends)?, text: parts.bytes(Tag::Text) };
        let text = std::str::from_utf8(&keys.text).map_err(|_| Error::damaged("a text that is not UTF-8"))?;
        let ends = keys.ends.get();
        let fits = ends.is_sorted()
            && ends.last().map_or(0, |end| *end as usize) == text.len()
            && ends.iter().all(|end| text.is_char_boundary(*end as usize))
            && (1..ends.len()).all(|key| keys.bytes(key - 1) < keys.bytes(key));
        if fits { Ok(keys) } else { Err(Error::damaged("texts out of order")) }
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.get().len()
    }

    fn bytes(&self, key: usize) -> &[u8] {
        let ends = self.ends.get();
        let start = if key == 0 { 0 } else { ends[key - 1] };
        self.text.get(start as usize..ends[key] as usize).unwrap_or(&[])
    }

    /// The text of a key that is there.
    fn get(&self, key: usize) -> &str {
        std::str::from_utf8(self.bytes(key)).unwrap_or("")
    }

    /// How many keys at the front pass, when those that do come first.
    fn front(&self, passes: impl Fn(&[u8]) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if passes(self.bytes(middle)) { low = middle + 1 } else { high = middle }
        }
        low
    }

    pub(crate) fn find(&self, text: &str) -> Option<usize> {
        let at = self.front(|key| key < text.as_bytes());
        (at < self.len() && self.bytes(at) == text.as_bytes()).then_some(at)
    }

    fn range(&self, low: Bound<&str>, high: Bound<&str>) -> Range<usize> {
        let start = match low {
            Bound::Unbounded => 0,
            Bound::Included(text) => self.front(|key| key < text.as_bytes()),
            Bound::Excluded(text) => self.front(|key| key <= text.as_bytes()),
        };
        let end = match high {
            Bound::Unbounded => self.len(),
            Bound::Included(text) => self.front(|key| key <= text.as_bytes()),
            Bound::Excluded(text) => self.front(|key| key < text.as_bytes()),
        };
        start..end.max(start)
    }

    fn beginning_with(&self, prefix: &str) -> Range<usize> {
        let prefix = prefix.as_bytes();
        let start = self.front(|key| key < prefix);
        let end = self.front(|key| key < prefix || key.starts_with(prefix));
        start..end.max(start)
    }
}

impl Keys {
    fn len(&self) -> usize {
        match self {
            Keys::Bools(keys) | Keys::Ints(keys) => keys.get().len(),
            Keys::Floats(keys) => keys.get().len(),
            Keys::Texts(keys) => keys.len(),
        }
    }

    /// The runs of keys that are asked for, one after another; false when these keys cannot say.
    fn select(&self, ask: &Ask<'_>, each: &mut dyn FnMut(Range<usize>)) -> bool {
        let mut one = |found: Option<usize>| {
            if let Some(key) = found {
                each(key..key + 1);
            }
        };
        match (self, ask) {
            (Keys::Bools(keys), Ask::Bool(wanted)) => one(keys.get().binary_search(&i64::from(*wanted)).ok()),
            (Keys::Ints(keys), Ask::Ints(wanted)) => {
                wanted.iter().for_each(|wanted| one(keys.get().binary_search(wanted).ok()));
            }
            (Keys::Ints(keys), Ask::IntRange(low, high)) => {
                let keys = keys.get();
                let start = keys.partition_point(|key| key < low);
                let end = keys.partition_point(|key| key <= high);
                each(start..end.max(start));
            }
            (Keys::Floats(keys), Ask::Floats(wanted)) => {
                let order = |key: &f64, wanted: &f64| key.partial_cmp(wanted).unwrap_or(Ordering::Less);
                let find = |wanted: &f64| keys.get().binary_search_by(|key| order(key, wanted)).ok();
                wanted.iter().for_each(|wanted| one(find(wanted)));
            }
            (Keys::Floats(keys), Ask::FloatRange(low, high)) => {
                let keys = keys.get();
                let start = match low {
                    Bound::Unbounded => 0,
                    Bound::Included(low) => keys.partition_point(|key| key < low),
                    Bound::Excluded(low) => keys.partition_point(|key| key <= low),
                };
                let end = match high {
                    Bound::Unbounded => keys.len(),
                    Bound::Included(high) => keys.partition_point(|key| key <= high),
                    Bound::Excluded(high) => keys.partition_point(|key| key < high),
                };
                each(start..end.max(start));
            }
            (Keys::Texts(keys), Ask::Texts(wanted)) => {
                wanted.iter().for_each(|wanted| one(keys.find(wanted)));
            }
            (Keys::Texts(keys), Ask::TextRange(low, high)) => each(keys.range(*low, *high)),
            (Keys::Texts(keys), Ask::Like(like)) => {
                let run = keys.beginning_with(like.prefix);
                if like.is_prefix {
                    each(run);
                } else {
                    run.filter(|key| like.pattern.matches(keys.get(*key))).for_each(|key| one(Some(key)));
                }
            }
            _ => return false,
        }
        true
    }

    /// Values that [`Keys::select`] compares a pattern with, or finds.
    fn compared(&self, ask: &Ask<'_>) -> usize {
        match (self, ask) {
            (_, Ask::Ints(wanted)) => wanted.len() * FIND,
            (_, Ask::Floats(wanted)) => wanted.len() * FIND,
            (_, Ask::Texts(wanted)) => wanted.len() * FIND,
            (Keys::Texts(keys), Ask::Like(like)) if !like.is_prefix => keys.beginning_with(like.prefix).len(),
            _ => FIND,
        }
    }

    fn is_in_order(&self) -> bool {
        match self {
            Keys::Bools(keys) => {
                let keys = keys.get();
                keys.windows(2).all(|pair| pair[0] < pair[1]) && keys.iter().all(|key| (0..=1).contains(key))
            }
            Keys::Ints(keys) => keys.get().windows(2).all(|pair| pair[0] < pair[1]),
            Keys::Floats(keys) => {
                let keys = keys.get();
                keys.windows(2).all(|pair| pair[0] < pair[1]) && keys.iter().all(|key| !key.is_nan())
            }
            // Seen when they were opened.
            Keys::Texts(_) => true,
        }
    }
}

impl Dictionary {
    pub(crate) fn open(parts: Parts, steps: Option<Vec<String>>) -> Result<Dictionary> {
        let keys = match parts.family {
            Family::Bools => Keys::Bools(parts.array(Tag::Keys)?),
            Family::Ints => Keys::Ints(parts.array(Tag::Keys)?),
            Family::Floats => Keys::Floats(parts.array(Tag::Keys)?),
            Family::Texts | Family::Grams => Keys::Texts(TextKeys::open(&parts)?),
        };
        if !keys.is_in_order() {
            return Err(Error::damaged("values out of order"));
        }
        let postings = Postings::open(&parts, keys.len())?;
        let known = Known::open(&parts)?;
        if steps.is_some() != parts.has(Tag::Known) {
            return Err(Error::damaged(
                "an index of a path where a field's is wanted, or the other way round",
            ));
        }
        Ok(Dictionary { keys, postings, rows: parts.rows, known, steps })
    }
}

impl FieldIndex for Dictionary {
    fn steps(&self) -> Option<&[String]> {
        self.steps.as_deref()
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn estimate(&self, ask: &Ask<'_>) -> Option<Estimate> {
        let wanted = match ask {
            Ask::Ints(wanted) => wanted.len(),
            Ask::Floats(wanted) => wanted.len(),
            Ask::Texts(wanted) => wanted.len(),
            _ => 0,
        };
        // Counting their rows is the larger part of the work.
        if wanted > 1 && wanted * ROWS_A_VALUE > self.rows {
            return None;
        }
        let mut marks = 0;
        let is_answered = match (&self.keys, ask) {
            // The pattern is not asked before it pays.
            (Keys::Texts(keys), Ask::Like(like)) => {
                marks = self.postings.marks(&keys.beginning_with(like.prefix));
                true
            }
            _ => self.keys.select(ask, &mut |run| marks += self.postings.marks(&run)),
        };
        let estimate = Estimate { marks, unsure: self.known.odd(), compared: self.keys.compared(ask) };
        is_answered.then_some(estimate)
    }

    fn mark(&self, ask: &Ask<'_>, sure: &mut [u64], unsure: &mut [u64]) {
        if self.keys.select(ask, &mut |run| self.postings.mark(&run, sure)) {
            self.known.mark_odd(unsure);
        }
    }

    fn mark_known(&self, sure: &mut [u64], unsure: &mut [u64]) {
        self.known.mark(sure, unsure);
    }

    fn memory_bytes(&self) -> usize {
        size_of::<Dictionary>()
    }
}

impl fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dictionary({} values of {} rows)", self.keys.len(), self.rows)
    }
}
