//! The byte form of a batch, written once at the proxy and carried as it is into the log.
//!
//! ```text
//! magic "VRB1" | rows u32 | columns u32 | column*
//! column: field u64 | kind u8 | has_validity u8 | dim u32 | length u64 | values | [words u64*]
//! ```
//! Everything is little-endian. Kinds are added, never changed: what a log holds stays readable. Text columns: `rows` ends (u32), then the text; `length` counts both.

use super::{Column, ColumnData, RowBatch, StrColumn};
use crate::{Bitmap, FieldId, Packed};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const MAGIC: &[u8; 4] = b"VRB1";

/// Why bytes are not a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a row batch: {0}")]
pub struct Malformed(&'static str);

impl RowBatch {
    /// The batch's bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.bytes() + 64 + self.columns.len() * 64);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&(self.rows as u32).to_le_bytes());
        out.extend_from_slice(&(self.columns.len() as u32).to_le_bytes());
        self.columns.iter().for_each(|column| encode_column(column, &mut out));
        Bytes::from(out)
    }

    /// Reads a batch back. Never panics and allocates no more than the input's size allows.
    pub fn decode(bytes: &[u8]) -> Result<RowBatch, Malformed> {
        let mut input = Input(bytes);
        if input.take(4)? != MAGIC {
            return Err(Malformed("wrong magic"));
        }
        let rows = input.u32()? as usize;
        let count = input.u32()? as usize;
        let mut columns = Vec::with_capacity(count.min(256));
        for _ in 0..count {
            columns.push(decode_column(&mut input, rows)?);
        }
        if input.0.is_empty() { Ok(RowBatch { rows, columns }) } else { Err(Malformed("trailing bytes")) }
    }
}

fn encode_column(column: &Column, out: &mut Vec<u8>) {
    let (kind, dim) = match &column.data {
        ColumnData::Bool(_) => (1u8, 0),
        ColumnData::Int8(_) => (2, 0),
        ColumnData::Int16(_) => (3, 0),
        ColumnData::Int32(_) => (4, 0),
        ColumnData::Int64(_) => (5, 0),
        ColumnData::Float(_) => (6, 0),
        ColumnData::Double(_) => (7, 0),
        ColumnData::VarChar(_) => (8, 0),
        ColumnData::Json(_) => (9, 0),
        ColumnData::FloatVector { dim, .. } => (10, *dim),
        ColumnData::PackedVector { kind: Packed::Bit, dim, .. } => (11, *dim),
        ColumnData::PackedVector { kind: Packed::Float16, dim, .. } => (12, *dim),
        ColumnData::PackedVector { kind: Packed::BFloat16, dim, .. } => (13, *dim),
        ColumnData::PackedVector { kind: Packed::Int8, dim, .. } => (14, *dim),
    };
    out.extend_from_slice(&column.field.0.to_le_bytes());
    out.push(kind);
    out.push(u8::from(column.validity.is_some()));
    out.extend_from_slice(&dim.to_le_bytes());
    let length_at = out.len();
    out.extend_from_slice(&[0; 8]);
    match &column.data {
        ColumnData::Bool(v) => out.extend(v.iter().map(|b| u8::from(*b))),
        ColumnData::Int8(v) => out.extend(v.iter().map(|x| *x as u8)),
        ColumnData::Int16(v) => v.iter().for_each(|x| out.extend_from_slice(&x.to_le_bytes())),
        ColumnData::Int32(v) => v.iter().for_each(|x| out.extend_from_slice(&x.to_le_bytes())),
        ColumnData::Int64(v) => v.iter().for_each(|x| out.extend_from_slice(&x.to_le_bytes())),
        ColumnData::Float(v) => encode_f32(v, out),
        ColumnData::Double(v) => v.iter().for_each(|x| out.extend_from_slice(&x.to_le_bytes())),
        ColumnData::VarChar(v) | ColumnData::Json(v) => {
            v.ends.iter().for_each(|x| out.extend_from_slice(&x.to_le_bytes()));
            out.extend_from_slice(v.text.as_bytes());
        }
        ColumnData::FloatVector { values, .. } => encode_f32(values, out),
        ColumnData::PackedVector { bytes, .. } => out.extend_from_slice(bytes),
    }
    let length = (out.len() - length_at - 8) as u64;
    out[length_at..length_at + 8].copy_from_slice(&length.to_le_bytes());
    if let Some(valid) = &column.validity {
        valid.words().iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
    }
}

fn encode_f32(values: &[f32], out: &mut Vec<u8>) {
    if cfg!(target_endian = "little") {
        out.extend_from_slice(bytemuck::cast_slice(values));
    } else {
        values.iter().for_each(|x| out.extend_from_slice(&x.to_le_bytes()));
    }
}

fn decode_column(input: &mut Input<'_>, rows: usize) -> Result<Column, Malformed> {
    let field = FieldId(input.u64()?);
    let kind = input.take(1)?[0];
    let has_validity = input.take(1)?[0] == 1;
    let dim = input.u32()?;
    let length = usize::try_from(input.u64()?).map_err(|_| Malformed("length"))?;
    let bytes = input.take(length)?;
    let data = match kind {
        1 => ColumnData::Bool(bytes.iter().map(|b| *b != 0).collect()),
        2 => ColumnData::Int8(bytes.iter().map(|b| *b as i8).collect()),
        3 => ColumnData::Int16(fixed(bytes, i16::from_le_bytes)?),
        4 => ColumnData::Int32(fixed(bytes, i32::from_le_bytes)?),
        5 => ColumnData::Int64(fixed(bytes, i64::from_le_bytes)?),
        6 => ColumnData::Float(fixed(bytes, f32::from_le_bytes)?),
        7 => ColumnData::Double(fixed(bytes, f64::from_le_bytes)?),
        8 => ColumnData::VarChar(decode_text(bytes, rows)?),
        9 => ColumnData::Json(decode_text(bytes, rows)?),
        10 if dim > 0 && length == rows.saturating_mul(dim as usize).saturating_mul(4) => {
            ColumnData::FloatVector { dim, values: fixed(bytes, f32::from_le_bytes)? }
        }
        10 => return Err(Malformed("vector length")),
        11 => packed(Packed::Bit, dim, rows, bytes)?,
        12 => packed(Packed::Float16, dim, rows, bytes)?,
        13 => packed(Packed::BFloat16, dim, rows, bytes)?,
        14 => packed(Packed::Int8, dim, rows, bytes)?,
        _ => return Err(Malformed("unknown column kind")),
    };
    if data.rows() != rows {
        return Err(Malformed("column length"));
    }
    let validity = if has_validity {
        let words = input.take(rows.div_ceil(64) * 8)?;
        Some(Bitmap::from_words(rows, fixed(words, u64::from_le_bytes)?))
    } else {
        None
    };
    Ok(Column { field, data, validity })
}

fn packed(kind: Packed, dim: u32, rows: usize, bytes: &[u8]) -> Result<ColumnData, Malformed> {
    let width = kind.row_bytes(dim);
    let is_whole = width > 0 && bytes.len() == rows.saturating_mul(width);
    if is_whole {
        Ok(ColumnData::PackedVector { kind, dim, bytes: bytes.to_vec() })
    } else {
        Err(Malformed("vector length"))
    }
}

fn decode_text(bytes: &[u8], rows: usize) -> Result<StrColumn, Malformed> {
    let split = rows.saturating_mul(4);
    if bytes.len() < split {
        return Err(Malformed("text ends"));
    }
    let ends: Vec<u32> = fixed(&bytes[..split], u32::from_le_bytes)?;
    let text = std::str::from_utf8(&bytes[split..]).map_err(|_| Malformed("text is not UTF-8"))?;
    let mut last = 0;
    for &end in &ends {
        if end < last || !text.is_char_boundary(end as usize) {
            return Err(Malformed("text ends"));
        }
        last = end;
    }
    if last as usize != text.len() {
        return Err(Malformed("text length"));
    }
    Ok(StrColumn { ends, text: text.to_owned() })
}

/// Values of fixed size, copied as a block where memory has the file's byte order.
fn fixed<const N: usize, T: bytemuck::Pod>(
    bytes: &[u8],
    read: fn([u8; N]) -> T,
) -> Result<Vec<T>, Malformed> {
    if !bytes.len().is_multiple_of(N) {
        return Err(Malformed("ragged column"));
    }
    if cfg!(target_endian = "little") && N == size_of::<T>() {
        return Ok(bytemuck::pod_collect_to_vec(bytes));
    }
    let raw = |chunk: &[u8]| std::array::from_fn(|at| chunk[at]);
    Ok(bytes.chunks_exact(N).map(|chunk| read(raw(chunk))).collect())
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.0.split_at_checked(n).ok_or(Malformed("too short"))?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed("too short"))
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.array()?))
    }
}

impl Serialize for RowBatch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.encode().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RowBatch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RowBatch, D::Error> {
        let bytes = Bytes::deserialize(deserializer)?;
        RowBatch::decode(&bytes).map_err(serde::de::Error::custom)
    }
}
