//! How much memory will a message take once it is decoded? Asked of its bytes, before anything is built from them (I21).
//!
//! Two bytes on the wire can become a struct of two hundred, and one byte a number of eight. The limit of a message's length
//! says little about that, so each message is walked once: tags and lengths only, nothing is copied. Counted are
//!
//! - columns: at most as many as a schema can have;
//! - values of the rows, by the memory each takes beside its own bytes: at most [`EXTRA_BYTES_MAX`] together;
//! - everything else that may repeat (names, parameters, fields of a schema): at most [`ELEMENTS_MAX`] together.
//!
//! What it does *not* do: it checks nothing else. A message that is no valid one is left to the decoder, which says so.

use crate::proto::schema as wire;
use vecraft_types::limits::FIELDS_MAX;
use vecraft_types::{Code, Error, Result};

/// Memory that the decoded rows of one request may take beyond the request's own length. A million rows of short texts
/// need a tenth of it.
pub(crate) const EXTRA_BYTES_MAX: usize = 256 << 20;
/// Things that are not values of rows. As many as there can be collections, the longest list anybody sends.
const ELEMENTS_MAX: usize = 65_536;
/// The fields of a schema, and `$meta`.
const COLUMNS_MAX: usize = FIELDS_MAX + 1;

/// What the walk must know of a message: the fields that are rows, or lead to them.
pub(crate) struct Shape(&'static [(u64, Holds)]);

enum Holds {
    /// Columns of rows.
    Columns(&'static Shape),
    /// One message.
    Message(&'static Shape),
    /// Texts or byte strings, one a row; each takes so much beside its bytes.
    Texts(usize),
    /// Numbers of variable length, mostly packed; each takes so much.
    Numbers(usize),
}

/// Inserts and upserts.
pub(crate) const ROWS: &Shape = &Shape(&[(5, Holds::Columns(COLUMN))]);
/// Everything without rows.
pub(crate) const PLAIN: &Shape = &Shape(&[]);
/// Query vectors: a group in a group.
pub(crate) const QUERIES: &Shape = &Shape(&[(1, Holds::Message(PLAIN))]);
/// A collection's schema: fields with parameters.
pub(crate) const SCHEMA: &Shape = &Shape(&[(4, Holds::Message(PLAIN)), (7, Holds::Message(PLAIN))]);

const COLUMN: &Shape = &Shape(&[(3, Holds::Message(SCALARS)), (4, Holds::Message(PLAIN))]);
const SCALARS: &Shape = &Shape(&[
    (2, Holds::Message(&Shape(&[(1, Holds::Numbers(size_of::<i32>()))]))),
    (3, Holds::Message(&Shape(&[(1, Holds::Numbers(size_of::<i64>()))]))),
    (6, Holds::Message(&Shape(&[(1, Holds::Texts(size_of::<String>()))]))),
    (9, Holds::Message(&Shape(&[(1, Holds::Texts(size_of::<bytes::Bytes>()))]))),
]);

/// What was counted so far.
#[derive(Default)]
struct Weight {
    columns: usize,
    elements: usize,
    extra_bytes: usize,
}

/// Refuses a message that decodes to far more than it is long.
///
/// # Errors
/// Code 1100 for too many columns or other things, 1102 for rows that take too much memory; each with the limit.
pub(crate) fn check(message: &[u8], shape: &Shape) -> Result<()> {
    Weight::default().add(message, shape)
}

impl Weight {
    fn add(&mut self, mut message: &[u8], shape: &Shape) -> Result<()> {
        while let Some((number, part)) = next(&mut message) {
            let holds = shape.0.iter().find(|(known, _)| *known == number).map(|(_, holds)| holds);
            let Some(part) = part else {
                // Numbers that are not packed; others do not repeat.
                if let Some(Holds::Numbers(each)) = holds {
                    self.extra(*each)?;
                }
                continue;
            };
            match holds {
                None => self.element()?,
                Some(Holds::Message(inner)) => {
                    self.element()?;
                    self.add(part, inner)?;
                }
                Some(Holds::Columns(inner)) => {
                    self.columns += 1;
                    if self.columns > COLUMNS_MAX {
                        return Err(Error::invalid(format!(
                            "the request has more than {COLUMNS_MAX} columns (fields_data): a schema has at most \
                             {FIELDS_MAX} fields, and the dynamic one"
                        )));
                    }
                    self.add(part, inner)?;
                }
                Some(Holds::Texts(each)) => self.extra(*each)?,
                Some(Holds::Numbers(each)) => {
                    // A number ends with the first byte below 128.
                    let count = part.iter().filter(|byte| **byte < 0x80).count();
                    self.extra((count * each).saturating_sub(part.len()))?;
                }
            }
        }
        Ok(())
    }

    fn element(&mut self) -> Result<()> {
        self.elements += 1;
        if self.elements <= ELEMENTS_MAX {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "the request has more than {ELEMENTS_MAX} names, parameters and other repeated values beside its rows"
        )))
    }

    fn extra(&mut self, bytes: usize) -> Result<()> {
        self.extra_bytes += bytes;
        if self.extra_bytes <= EXTRA_BYTES_MAX { Ok(()) } else { Err(too_much_memory()) }
    }
}

/// The refusal of rows that are many and short.
pub(crate) fn too_much_memory() -> Error {
    let text = format!(
        "the rows take over {} MiB of memory beyond the request's own length, more is not taken: send fewer rows at \
         a time",
        EXTRA_BYTES_MAX >> 20
    );
    Error::new(Code::ParameterTooLarge, text)
}

/// Memory that decoded columns take beyond about their length on the wire.
pub(crate) fn extra_bytes(columns: &[wire::FieldData]) -> usize {
    use wire::{field_data::Field, scalar_field::Data};
    let of_column = |column: &wire::FieldData| match &column.field {
        Some(Field::Scalars(scalars)) => match &scalars.data {
            Some(Data::StringData(texts)) => size_of_val(&texts.data[..]),
            Some(Data::JsonData(texts)) => size_of_val(&texts.data[..]),
            Some(Data::LongData(numbers)) => size_of_val(&numbers.data[..]),
            Some(Data::IntData(numbers)) => size_of_val(&numbers.data[..]),
            _ => 0,
        },
        _ => 0,
    };
    columns.iter().map(of_column).sum()
}

/// The next field: its number, and its bytes when it has a length. None at the end, and where the message is no valid one.
fn next<'a>(message: &mut &'a [u8]) -> Option<(u64, Option<&'a [u8]>)> {
    let tag = varint(message)?;
    let length = match tag & 7 {
        0 => {
            varint(message)?;
            return Some((tag >> 3, None));
        }
        1 => 8,
        2 => usize::try_from(varint(message)?).ok()?,
        5 => 4,
        _ => return None,
    };
    let (part, rest) = message.split_at_checked(length)?;
    *message = rest;
    Some((tag >> 3, (tag & 7 == 2).then_some(part)))
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
