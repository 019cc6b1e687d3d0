//! What evaluation asks of an index of a field, when whoever keeps the columns has one.

use std::borrow::Cow;
use std::fmt;
use std::ops::Bound;

/// An index over one field's values of a chunk, or over what one path of a JSON field leads to. It knows the rows that have a
/// value of its kind; rows whose value is null, missing or of another kind are not in it.
///
/// An answer has two parts. *Sure* rows are exactly what was asked; *unsure* rows may be, and evaluation looks at their values
/// itself. No row is both, and a row that is neither is surely not what was asked.
pub trait FieldIndex: Send + Sync + fmt::Debug {
    /// The keys and indexes of the JSON path that is indexed, none for the document itself; `None` for a plain field.
    fn steps(&self) -> Option<&[String]>;

    /// Rows that it was built over: those of the chunk, or more when the chunk shows an earlier moment.
    fn rows(&self) -> usize;

    /// Values of a list that both [`FieldIndex::estimate`] and [`FieldIndex::mark`] find one by one: of a long one a filter
    /// looks at nothing else before it takes its loop.
    fn looked_up(&self, ask: &Ask<'_>) -> usize {
        match ask {
            Ask::Ints(wanted) => wanted.len(),
            Ask::Floats(wanted) => wanted.len(),
            Ask::Texts(wanted) => wanted.len(),
            _ => 0,
        }
    }

    /// What [`FieldIndex::mark`] would cost. `None` when the index cannot answer.
    fn estimate(&self, ask: &Ask<'_>) -> Option<Estimate>;

    /// Sets the bits of the rows that are asked for, in words of 64 rows that hold [`FieldIndex::rows`] bits. Sets none when
    /// there is no estimate.
    fn mark(&self, ask: &Ask<'_>, sure: &mut [u64], unsure: &mut [u64]);

    /// Sets the bits of the rows that have a value of the index's kind. Asked of indexes of paths only: a plain field's
    /// nulls are known to its column.
    fn mark_known(&self, sure: &mut [u64], unsure: &mut [u64]);

    /// Bytes of memory it keeps beside mapped files.
    fn memory_bytes(&self) -> usize;
}

/// What is asked. Numbers are compared as floats, where an integer that no float equals is unsure.
pub enum Ask<'a> {
    /// Rows that are true, or false.
    Bool(bool),
    /// Integers equal to one of these, which ascend.
    Ints(Cow<'a, [i64]>),
    /// Integers from one to the other, both included.
    IntRange(i64, i64),
    /// Floats equal to one of these, which ascend. There is no NaN, and 0.0 stands for -0.0 too.
    Floats(Cow<'a, [f64]>),
    /// Floats between two bounds; NaN is nowhere.
    FloatRange(Bound<f64>, Bound<f64>),
    /// Texts equal to one of these, which ascend.
    Texts(Cow<'a, [String]>),
    /// Texts between two bounds, by their bytes.
    TextRange(Bound<&'a str>, Bound<&'a str>),
    /// Texts that match a pattern.
    Like(Like<'a>),
}

/// A pattern, and what all that match have in common.
pub struct Like<'a> {
    /// Their beginning; may be empty.
    pub prefix: &'a str,
    /// Texts that stand in them.
    pub pieces: Vec<&'a str>,
    /// Whether everything with the beginning matches.
    pub is_prefix: bool,
    /// The pattern itself.
    pub pattern: &'a dyn TextTest,
}

/// A test of a text.
pub trait TextTest {
    /// Whether the whole text passes.
    fn matches(&self, text: &str) -> bool;
}

/// What an answer costs, at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Bits that are set, one by one or by the word.
    pub marks: usize,
    /// Rows that would be unsure.
    pub unsure: usize,
    /// Values that a pattern is compared with.
    pub compared: usize,
}
