//! From a column to the bytes of its index.

use crate::gather::{GramsFound, PIECE_BYTES, PIECE_COPIES};
use crate::grams;
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
/// What a row of numbers takes at the peak, when each is another: pairs, keys while they grow, and both once more as bytes.
const NUMBER_BYTES: u64 = 96;
/// What a row of texts takes beside the text: the table of distinct ones while it grows, and their rows.
const TEXT_BYTES: u64 = 120;
/// How often a text is there: as it was read, one after another while that grows, and as bytes.
const TEXT_COPIES: u64 = 4;
/// Distinct pieces that are reckoned with before they are counted.
const PIECES_AT_LEAST: u64 = 16 << 10;
/// Largest whole number below which every one is a float.
const EXACT_MAX: u64 = 1 << 53;

/// Builds the index of the first `rows` rows of a column, in `room` bytes of memory: at least [`build_bytes`].
/// `is_unwanted` is asked every few thousand rows.
///
/// # Errors
/// [`Error::OtherType`] when the column is not what the spec is for, [`Error::NoRoom`] before more memory than that is
/// taken, [`Error::TooLarge`], [`Error::Cancelled`].
pub fn build(
    spec: &Spec,
    column: &ColumnView<'_>,
    rows: usize,
    room: u64,
    is_unwanted: &dyn Fn() -> bool,
) -> Result<Vec<u8>> {
    if column.values.rows() < rows {
        return Err(Error::OtherType);
    }
    let source = Source { column, rows, is_unwanted };
    if let ScalarKind::Ngram { min, max } = spec.kind {
        return source.grams(spec, [min, max], room);
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

/// Bytes of memory to begin [`build`] with, for a column whose texts have so many bytes. Numbers and whole texts take no
/// more, were each of them another. How many pieces differ is only known when they are counted: texts of a language take
/// about this, random ones much more, which [`Error::NoRoom`] tells.
pub fn build_bytes(spec: &Spec, rows: usize, text_bytes: usize) -> u64 {
    let (rows, text_bytes) = (rows as u64, text_bytes as u64);
    match spec.kind {
        // Differences of about two bytes for each character and length, twice, and the pieces that any texts have.
        ScalarKind::Ngram { max, .. } => {
            let pieces = (text_bytes * 2).min(PIECES_AT_LEAST);
            text_bytes * 8 + rows * 8 + pieces * (PIECE_BYTES + u64::from(max) * PIECE_COPIES)
        }
        _ if text_bytes == 0 => rows * NUMBER_BYTES,
        _ => rows * TEXT_BYTES + text_bytes * TEXT_COPIES,
    }
}

struct Source<'a> {
    column: &'a ColumnView<'a>,
    rows: usize,
    is_unwanted: &'a dyn Fn() -> bool,
}

impl Source<'_> {
    /// Calls `take` with every row that is not null.
    fn each(&self, mut take: impl FnMut(usize)) -> Result<()> {
        self.try_each(|row| {
            take(row);
            Ok(())
        })
    }

    /// As [`Source::each`], until it fails.
    fn try_each(&self, mut take: impl FnMut(usize) -> Result<()>) -> Result<()> {
        for row in 0..self.rows {
            if row.is_multiple_of(ROWS_BETWEEN) && (self.is_unwanted)() {
                return Err(Error::Cancelled);
            }
            let is_valid =
                |words: &[u64]| words.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 == 1);
            if self.column.validity.is_none_or(is_valid) {
                take(row)?;
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
        self.try_each_of_path(steps, |row, value| {
            take(row, value);
            Ok(())
        })
    }

    /// As [`Source::each_of_path`], until it fails.
    fn try_each_of_path(
        &self,
        steps: &[String],
        mut take: impl FnMut(usize, JsonValue) -> Result<()>,
    ) -> Result<()> {
        let ColumnValues::Json(documents) = &self.column.values else { return Err(Error::OtherType) };
        let reader = PathReader::new(steps);
        self.try_each(|row| match reader.read(documents.value(row)) {
            Some(value) => take(row, value),
            None => Ok(()),
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

    fn grams(&self, spec: &Spec, lengths: [u32; 2], room: u64) -> Result<Vec<u8>> {
        let mut found = GramsFound::new(lengths, room);
        let mut writer = Writer::new(Family::Grams, self.rows);
        match (&spec.path, &self.column.values) {
            (None, ColumnValues::VarChar(texts)) => self.try_each(|row| found.add(row, texts.value(row)))?,
            (Some((steps, _)), ColumnValues::Json(_)) => {
                let mut rows = KnownRows::new(self.rows);
                self.try_each_of_path(steps, |row, value| {
                    let JsonValue::Str(text) = value else { return Ok(()) };
                    rows.known.set(row, true);
                    found.add(row, &text)
                })?;
                rows.write(&mut writer);
            }
            _ => return Err(Error::OtherType),
        }
        grams::write(&mut writer, self.rows, lengths, found.in_order())?;
        Ok(writer.finish())
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
