//! Reads numpy's `.npy` files, version 1: just matrices of the two types the demo's data has.
//!
//! ```text
//! \x93NUMPY 1 0 | header length, u16 | {'descr': '<f2', 'fortran_order': False, 'shape': (5000, 384), } | values
//! ```

use half::f16;

const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";

/// A matrix, row after row.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix<T> {
    /// Number of rows.
    pub rows: usize,
    /// Values a row.
    pub columns: usize,
    /// `rows * columns` values.
    pub values: Vec<T>,
}

impl<T> Matrix<T> {
    /// The values of one row.
    pub fn row(&self, row: usize) -> &[T] {
        &self.values[row * self.columns..(row + 1) * self.columns]
    }
}

/// A matrix of float16, widened.
pub fn read_f16(bytes: &[u8]) -> Result<Matrix<f32>, String> {
    read(bytes, "<f2", |value: [u8; 2]| f16::from_le_bytes(value).to_f32())
}

/// A matrix of int32.
pub fn read_i32(bytes: &[u8]) -> Result<Matrix<i32>, String> {
    read(bytes, "<i4", i32::from_le_bytes)
}

fn read<T, const N: usize>(
    bytes: &[u8],
    wanted: &str,
    value: impl Fn([u8; N]) -> T,
) -> Result<Matrix<T>, String> {
    let rest = bytes.strip_prefix(MAGIC).ok_or("it does not begin like a .npy file, version 1")?;
    let (length, rest) = rest.split_first_chunk().ok_or("it ends inside its header")?;
    let length = usize::from(u16::from_le_bytes(*length));
    let (header, values) = rest.split_at_checked(length).ok_or("it ends inside its header")?;
    let header = std::str::from_utf8(header).map_err(|_| "its header is not text")?;
    let descr = entry(header, "descr")?;
    if descr.trim_matches('\'') != wanted {
        return Err(format!("its values are of type {descr}, wanted is '{wanted}'"));
    }
    if entry(header, "fortran_order")? != "False" {
        return Err("its values stand column after column, wanted is row after row".into());
    }
    let (rows, columns) = shape(entry(header, "shape")?)?;
    let expected = rows.checked_mul(columns).and_then(|count| count.checked_mul(N));
    if columns == 0 || expected != Some(values.len()) {
        return Err(format!("{} bytes of values are not {rows} x {columns} of them", values.len()));
    }
    let values = values.as_chunks().0.iter().map(|bytes| value(*bytes)).collect();
    Ok(Matrix { rows, columns, values })
}

/// The value of a key in the header, which is a Python dictionary.
fn entry<'a>(header: &'a str, key: &str) -> Result<&'a str, String> {
    let missing = || format!("its header has no {key:?}");
    let (_, rest) = header.split_once(&format!("'{key}':")).ok_or_else(missing)?;
    let rest = rest.trim_start();
    let end = if rest.starts_with('(') { rest.find(')').map(|at| at + 1) } else { rest.find([',', '}']) };
    Ok(rest[..end.ok_or_else(missing)?].trim())
}

fn shape(text: &str) -> Result<(usize, usize), String> {
    let wrong = || format!("its shape is {text}, wanted are two dimensions");
    let inner = text.strip_prefix('(').and_then(|t| t.strip_suffix(')')).ok_or_else(wrong)?;
    let (rows, columns) = inner.split_once(',').ok_or_else(wrong)?;
    Ok((rows.trim().parse().map_err(|_| wrong())?, columns.trim().parse().map_err(|_| wrong())?))
}
