//! Rows of a store as one string of bytes, of any length: nothing but memory bounds it, and a row is read as a slice.
//!
//! ```text
//! length of key u32 | length of value u32 | key | value      little-endian, again and again
//! ```
//! What keys and values mean, and whether they are whole, is their reader's.

use bytes::{Buf, Bytes};

/// Why bytes are no rows, or a row has no bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A key or value that has no length here.
    #[error("a key of {key} bytes with a value of {value}: a row has below 4 GiB of each")]
    TooLong {
        /// Bytes of the key.
        key: usize,
        /// Bytes of the value.
        value: usize,
    },
    /// The last row is cut off.
    #[error("rows that end in the middle of one: it wants {wants} bytes, {left} are left")]
    Torn {
        /// Bytes of the row.
        wants: u64,
        /// Bytes there.
        left: usize,
    },
}

/// Appends a row.
///
/// # Errors
/// [`Error::TooLong`].
pub fn push(out: &mut Vec<u8>, key: &[u8], value: &[u8]) -> Result<(), Error> {
    let too_long = |_| Error::TooLong { key: key.len(), value: value.len() };
    let (keys, values) =
        (u32::try_from(key.len()).map_err(too_long)?, u32::try_from(value.len()).map_err(too_long)?);
    out.extend_from_slice(&keys.to_le_bytes());
    out.extend_from_slice(&values.to_le_bytes());
    out.extend_from_slice(key);
    out.extend_from_slice(value);
    Ok(())
}

/// Takes the first row; none when no bytes are left.
///
/// # Errors
/// [`Error::Torn`].
pub fn take(bytes: &mut Bytes) -> Result<Option<(Bytes, Bytes)>, Error> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let left = bytes.len();
    let (Ok(key), Ok(value)) = (bytes.try_get_u32_le(), bytes.try_get_u32_le()) else {
        return Err(Error::Torn { wants: 8, left });
    };
    let wants = u64::from(key) + u64::from(value);
    if wants > bytes.len() as u64 {
        return Err(Error::Torn { wants, left: bytes.len() });
    }
    Ok(Some((bytes.split_to(key as usize), bytes.split_to(value as usize))))
}

/// All rows that are left.
///
/// # Errors
/// [`Error::Torn`].
pub fn rest(mut bytes: Bytes) -> Result<Vec<(Bytes, Bytes)>, Error> {
    std::iter::from_fn(|| take(&mut bytes).transpose()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rows_come_back_and_whatever_is_cut_is_noticed() {
        let rows: [(&[u8], &[u8]); 4] = [(b"", b"root"), (b"key", b""), (b"", b""), (b"k", &[7; 300])];
        let mut out = Vec::new();
        let mut ends = vec![0];
        for (key, value) in rows {
            push(&mut out, key, value).unwrap();
            ends.push(out.len());
        }
        let bytes = Bytes::from(out);
        let back = rest(bytes.clone()).unwrap();
        assert!(back.iter().map(|(key, value)| (&key[..], &value[..])).eq(rows));
        for cut in 0..bytes.len() {
            let read = rest(bytes.slice(..cut));
            match ends.iter().position(|end| *end == cut) {
                Some(whole) => assert_eq!(read.unwrap().len(), whole),
                None => assert!(matches!(read, Err(Error::Torn { .. })), "{cut}"),
            }
        }
        let lie = Bytes::from_static(&[255; 8]);
        assert_eq!(rest(lie), Err(Error::Torn { wants: 2 * u64::from(u32::MAX), left: 0 }));
    }
}
