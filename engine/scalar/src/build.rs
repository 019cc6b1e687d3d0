//! From a column to the bytes of its index.

use crate::grams::{self, GramRows};
use crate::known::KnownRows;
use crate::parts::{Family, Tag, Writer};
use crate::{Error, Result, Spec, postings};
use std::borrow::Cow;
use std::collections::HashMap;
use vecraft_expr::{ColumnValues, ColumnView, JsonValue, PathReader};
use vecraft_types::schema::{JsonCast, ScalarKind};

/// Rows between two questions whether the index is still wanted.
const ROWS_BETWEEN: usize = 4 << 10;
/// Of a row without a key.
const NO_KEY: u32 = u32::MAX;
/// Largest whole number below which every one is a float.
const EXACT_MAX: u64 = 1 << 53;

/// Builds the index of the first `rows` rows of a column. `is_unwanted` is asked every few thousand rows.
///
/// # Errors
/// [`Error::OtherType`] when the column is not what the spec is for, [`Error::TooLarge`], [`Error::Cancelled`].
pub fn build(
    spec: &Spec,
    column: &ColumnView<'_>,
    rows: usize,
    is_unwanted: &dyn Fn() -> bool,
) -> Result<Vec<u8>> {
    if column.values.rows() < rows {
        return Err(Error::OtherType);
    }
    let source = Source { column, rows, is_unwanted };
    if let ScalarKind::Ngram { min, max } = spec.kind {
        return source.grams(spec, [min, max]);
    }
    let is_dense = matches!(spec.kind, ScalarKind::Inverted | ScalarKind::Bitmap);
    if let Some((steps, cast)) = &spec.path {
        return source.path(steps, *cast, is_dense);
    }
    match &column.values {
        ColumnValues::Bool(v) => source.ints(Family::Bools, is_dense, |row| i64::from(v[row])),
        ColumnValues::Int8(v) => source.ints(Family::Ints, is_dense, |row| i64::from(v[row])),
        ColumnValues::Int16(v) => source.ints(Family::Ints, is_dense, |row| i64::from(v[row])),
        ColumnValues::Int32(v) => source.ints(Family::Ints, is_dense, |row| i64::from(v[row])),
        ColumnValues::Int64(v) => source.ints(Family::Ints, is_dense, |row| v[row]),
        ColumnValues::Float(v) => source.floats(is_dense, |row| f64::from(v[row])),
        ColumnValues::Double(v) => source.floats(is_dense, |row| v[row]),
        ColumnValues::VarChar(texts) => {
            let mut keys = TextRows::new(rows);
            source.each(|row| keys.add(row, Cow::Borrowed(texts.value(row))))?;
            keys.finish(rows, is_dense, None)
        }
        ColumnValues::Json(_) => Err(Error::OtherType),
    }
}

/// Bytes of memory that [`build`] takes at its peak, about, for a column whose texts have so many bytes.
pub fn build_bytes(spec: &Spec, rows: usize, text_bytes: usize) -> u64 {
    let bytes = match spec.kind {
        // Differences of about two bytes for each character and length, twice.
        ScalarKind::Ngram { .. } => text_bytes * 8 + rows * 8,
        _ => rows * 32 + text_bytes * 3,
    };
    bytes as u64
}

struct Source<'a> {
    column: &'a ColumnView<'a>,
    rows: usize,
    is_unwanted: &'a dyn Fn() -> bool,
}

impl Source<'_> {
    /// Calls `take` with every row that is not null.
    fn each(&self, mut take: impl FnMut(usize)) -> Result<()> {
        for row in 0..self.rows {
            if row.is_multiple_of(ROWS_BETWEEN) && (self.is_unwanted)() {
                return Err(Error::Cancelled);
            }
            let is_valid =
                |words: &[u64]| words.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 == 1);
            if self.column.validity.is_none_or(is_valid) {
                take(row);
            }
        }
        Ok(())
    }

    fn ints(&self, family: Family, is_dense: bool, value: impl Fn(usize) -> i64) -> Result<Vec<u8>> {
        let mut pairs = Vec::with_capacity(self.rows);
        self.each(|row| pairs.push((value(row), row as u32)))?;
        pairs.sort_unstable();
        Ok(sorted(Writer::new(family, self.rows), self.rows, &pairs, is_dense))
    }

    fn floats(&self, is_dense: bool, value: impl Fn(usize) -> f64) -> Result<Vec<u8>> {
        let mut pairs = Vec::with_capacity(self.rows);
        self.each(|row| pairs.push((value(row), row as u32)))?;
        Ok(sorted_floats(Writer::new(Family::Floats, self.rows), self.rows, pairs, is_dense))
    }

    /// Calls `take` with what a path leads to, where that is a value.
    fn each_of_path(&self, steps: &[String], mut take: impl FnMut(usize, JsonValue)) -> Result<()> {
        let ColumnValues::Json(documents) = &self.column.values else { return Err(Error::OtherType) };
        let reader = PathReader::new(steps);
        self.each(|row| {
            if let Some(value) = reader.read(documents.value(row)) {
                take(row, value);
            }
        })
    }

    fn path(&self, steps: &[String], cast: JsonCast, is_dense: bool) -> Result<Vec<u8>> {
        let mut rows = KnownRows::new(self.rows);
        match cast {
            JsonCast::Bool => {
                let mut pairs = Vec::new();
                self.each_of_path(steps, |row, value| {
                    if let JsonValue::Bool(value) = value {
                        rows.known.set(row, true);
                        pairs.push((i64::from(value), row as u32));
                    }
                })?;
                pairs.sort_unstable();
                let mut writer = Writer::new(Family::Bools, self.rows);
                rows.write(&mut writer);
                Ok(sorted(writer, self.rows, &pairs, is_dense))
            }
            JsonCast::Double => {
                let mut pairs = Vec::new();
                self.each_of_path(steps, |row, value| {
                    let float = match value {
                        JsonValue::Int(value) if value.unsigned_abs() <= EXACT_MAX => value as f64,
                        JsonValue::Int(_) => return rows.odd.push(row as u32),
                        JsonValue::Float(value) => value,
                        JsonValue::Bool(_) | JsonValue::Str(_) => return,
                    };
                    rows.known.set(row, true);
                    pairs.push((float, row as u32));
                })?;
                let mut writer = Writer::new(Family::Floats, self.rows);
                rows.write(&mut writer);
                Ok(sorted_floats(writer, self.rows, pairs, is_dense))
            }
            JsonCast::VarChar => {
                let mut keys = TextRows::new(self.rows);
                self.each_of_path(steps, |row, value| {
                    if let JsonValue::Str(text) = value {
                        rows.known.set(row, true);
                        keys.add(row, Cow::Owned(text));
                    }
                })?;
                keys.finish(self.rows, is_dense, Some(rows))
            }
        }
    }

    fn grams(&self, spec: &Spec, lengths: [u32; 2]) -> Result<Vec<u8>> {
        let mut found = GramsFound { lengths, grams: HashMap::new(), seen: Vec::new() };
        let mut writer = Writer::new(Family::Grams, self.rows);
        match (&spec.path, &self.column.values) {
            (None, ColumnValues::VarChar(texts)) => self.each(|row| found.add(row, texts.value(row)))?,
            (Some((steps, _)), ColumnValues::Json(_)) => {
                let mut rows = KnownRows::new(self.rows);
                self.each_of_path(steps, |row, value| {
                    if let JsonValue::Str(text) = value {
                        rows.known.set(row, true);
                        found.add(row, &text);
                    }
                })?;
                rows.write(&mut writer);
            }
            _ => return Err(Error::OtherType),
        }
        let mut grams: Vec<(String, GramRows)> = found.grams.into_iter().collect();
        grams.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        grams::write(&mut writer, self.rows, lengths, grams)?;
        Ok(writer.finish())
    }
}

/// Pieces while they are gathered.
struct GramsFound {
    lengths: [u32; 2],
    grams: HashMap<String, GramRows>,
    /// Those of the text at hand; kept for its memory.
    seen: Vec<(usize, usize)>,
}

impl GramsFound {
    fn add(&mut self, row: usize, text: &str) {
        let both = if self.lengths[0] == self.lengths[1] { &self.lengths[..1] } else { &self.lengths[..] };
        self.seen.clear();
        for length in both {
            let mut at = 0;
            for piece in grams::pieces(text, *length as usize) {
                // Pieces begin one character apart.
                self.seen.push((at, at + piece.len()));
                at += piece.chars().next().map_or(0, char::len_utf8);
            }
        }
        self.seen.sort_unstable_by(|a, b| text[a.0..a.1].cmp(&text[b.0..b.1]));
        self.seen.dedup_by(|a, b| text[a.0..a.1] == text[b.0..b.1]);
        for (start, end) in &self.seen {
            let piece = &text[*start..*end];
            match self.grams.get_mut(piece) {
                Some(rows) => rows.push(row as u32),
                None => self.grams.entry(piece.to_owned()).or_default().push(row as u32),
            }
        }
    }
}

/// Distinct texts while they are gathered.
struct TextRows<'a> {
    /// By row.
    ids: Vec<u32>,
    texts: HashMap<Cow<'a, str>, u32>,
}

impl<'a> TextRows<'a> {
    fn new(rows: usize) -> TextRows<'a> {
        TextRows { ids: vec![NO_KEY; rows], texts: HashMap::new() }
    }

    fn add(&mut self, row: usize, text: Cow<'a, str>) {
        let next = self.texts.len() as u32;
        self.ids[row] = *self.texts.entry(text).or_insert(next);
    }

    fn finish(self, rows: usize, is_dense: bool, known: Option<KnownRows>) -> Result<Vec<u8>> {
        let TextRows { ids, texts } = self;
        let mut texts: Vec<(Cow<'_, str>, u32)> = texts.into_iter().collect();
        texts.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let (mut key_of, mut ends, mut text) =
            (vec![0u32; texts.len()], Vec::with_capacity(texts.len()), String::new());
        for (key, (own, id)) in texts.iter().enumerate() {
            key_of[*id as usize] = key as u32;
            text.push_str(own);
            ends.push(u32::try_from(text.len()).map_err(|_| Error::TooLarge("texts beyond 4 GiB"))?);
        }
        // How many rows each key has, then where they end, then, filled from behind, where they start.
        let mut starts = vec![0u32; texts.len() + 1];
        let keyed = || {
            ids.iter()
                .enumerate()
                .filter(|(_, id)| **id != NO_KEY)
                .map(|(row, id)| (row, key_of[*id as usize]))
        };
        keyed().for_each(|(_, key)| starts[key as usize] += 1);
        let mut sum = 0;
        starts.iter_mut().for_each(|start| {
            sum += *start;
            *start = sum;
        });
        let mut list = vec![0u32; sum as usize];
        for (row, key) in keyed().rev() {
            starts[key as usize] -= 1;
            list[starts[key as usize] as usize] = row as u32;
        }
        let mut writer = Writer::new(Family::Texts, rows);
        if let Some(known) = known {
            known.write(&mut writer);
        }
        writer.add(Tag::Ends, &ends);
        writer.add(Tag::Text, text.as_bytes());
        postings::write(&mut writer, rows, &starts, &list, is_dense);
        Ok(writer.finish())
    }
}

/// Numbers with their rows, in order.
fn sorted<T: bytemuck::NoUninit + PartialEq>(
    mut writer: Writer,
    total: usize,
    pairs: &[(T, u32)],
    is_dense: bool,
) -> Vec<u8> {
    let (mut keys, mut starts): (Vec<T>, Vec<u32>) = (Vec::new(), Vec::new());
    for (at, (value, _)) in pairs.iter().enumerate() {
        if keys.last() != Some(value) {
            keys.push(*value);
            starts.push(at as u32);
        }
    }
    starts.push(pairs.len() as u32);
    let rows: Vec<u32> = pairs.iter().map(|(_, row)| *row).collect();
    writer.add(Tag::Keys, &keys);
    postings::write(&mut writer, total, &starts, &rows, is_dense);
    writer.finish()
}

/// NaN equals nothing and lies between no bounds, so it has no key; 0.0 and -0.0 are one.
fn sorted_floats(writer: Writer, total: usize, mut pairs: Vec<(f64, u32)>, is_dense: bool) -> Vec<u8> {
    pairs.retain(|(value, _)| !value.is_nan());
    pairs.iter_mut().for_each(|(value, _)| *value += 0.0);
    pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    sorted(writer, total, &pairs, is_dense)
}
