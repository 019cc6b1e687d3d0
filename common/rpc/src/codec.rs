//! Bytes of everything we encode ourselves: log commands, replies, checkpoints, frames.
//!
//! ```text
//! version u8 | bincode 2, little-endian, variable-length integers
//! ```
//! Decoding never allocates more than [`DECODE_BYTES_MAX`] and refuses trailing bytes (bincode on its own trusts
//! lengths, notes: bincode#239).

use serde::Serialize;
use serde::de::DeserializeOwned;
use vecraft_types::limits::MESSAGE_BYTES_CEILING;

/// First byte of everything encoded here.
pub const VERSION: u8 = 1;
/// Most bytes one decode may claim: twice the largest message, because collections are counted by the memory that
/// their elements will take.
pub const DECODE_BYTES_MAX: usize = 2 * MESSAGE_BYTES_CEILING;

/// Why bytes cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The value has no byte form (a bug).
    #[error("cannot encode {what}: {source}")]
    Encode {
        /// The type.
        what: &'static str,
        /// bincode's reason.
        source: Box<bincode::error::EncodeError>,
    },
    /// The bytes are not such a value.
    #[error("cannot decode {what}: {source}")]
    Decode {
        /// The type.
        what: &'static str,
        /// bincode's reason.
        source: Box<bincode::error::DecodeError>,
    },
    /// Written by another version.
    #[error("cannot decode {what}: version {found}, this program reads {VERSION}")]
    Version {
        /// The type.
        what: &'static str,
        /// First byte found.
        found: u8,
    },
    /// Nothing there, or more than one value.
    #[error("cannot decode {what}: {bytes} bytes too many or none at all")]
    Length {
        /// The type.
        what: &'static str,
        /// Bytes left over.
        bytes: usize,
    },
}

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<DECODE_BYTES_MAX>()
}

/// The bytes of a value.
///
/// # Errors
/// [`Error::Encode`] when a type cannot be encoded, which is a bug of that type.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    let mut out = vec![VERSION];
    bincode::serde::encode_into_std_write(value, &mut out, config())
        .map_err(|source| Error::Encode { what: std::any::type_name::<T>(), source: Box::new(source) })?;
    Ok(out)
}

/// Reads a value back.
///
/// # Errors
/// Any other bytes than those [`encode`] wrote are an error, never a panic.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let (value, used) = decode_start(bytes)?;
    if used != bytes.len() {
        return Err(Error::Length { what: std::any::type_name::<T>(), bytes: bytes.len() - used });
    }
    Ok(value)
}

/// Reads a value from the front of some bytes, and says how many it took.
///
/// # Errors
/// Bytes that do not begin with one.
pub fn decode_start<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, usize), Error> {
    let what = std::any::type_name::<T>();
    let Some((&version, body)) = bytes.split_first() else { return Err(Error::Length { what, bytes: 0 }) };
    if version != VERSION {
        return Err(Error::Version { what, found: version });
    }
    let (value, used) = bincode::serde::decode_from_slice(body, config())
        .map_err(|source| Error::Decode { what, source: Box::new(source) })?;
    Ok((value, used + 1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_round_trip_and_everything_else_is_refused() {
        let value = (7u32, "text".to_owned(), vec![1u64, 2, 3]);
        let bytes = encode(&value).unwrap();
        assert_eq!(decode::<(u32, String, Vec<u64>)>(&bytes).unwrap(), value);
        assert!(decode::<(u32, String, Vec<u64>)>(&[]).is_err());
        assert!(decode::<(u32, String, Vec<u64>)>(&bytes[..bytes.len() - 1]).is_err());
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(matches!(decode::<(u32, String, Vec<u64>)>(&longer), Err(Error::Length { bytes: 1, .. })));
        let mut newer = bytes;
        newer[0] = VERSION + 1;
        assert!(matches!(decode::<(u32, String, Vec<u64>)>(&newer), Err(Error::Version { found: 2, .. })));
    }

    #[test]
    fn a_lying_length_takes_no_memory() {
        // version, then a Vec<u64> that claims 2^62 elements
        let bytes = [VERSION, 253, 0, 0, 0, 0, 0, 0, 0, 64];
        assert!(decode::<Vec<u64>>(&bytes).is_err());
    }
}
