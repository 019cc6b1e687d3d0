//! The query vectors of a search, from the wire.
//!
//! Whether their type, dimension and values suit the field is the database's question. Checked here: that there are
//! some, at most as many as are allowed, and all of one whole length.

use crate::columns::finite;
use crate::params::refuse;
use crate::proto::common::PlaceholderGroup;
use crate::proto::milvus::search_request::SearchInput;
use crate::proto::schema::DataType as WireType;
use crate::schema::type_name;
use crate::weigh;
use bytes::Bytes;
use prost::Message;
use vecraft_types::limits::NQ_MAX;
use vecraft_types::{Error, Packed, QueryVectors, Result};

/// Dimension, values, number of queries.
///
/// # Errors
/// Code 1100 saying which vector is wrong and how, or that its kind is not served.
pub(crate) fn read(input: Option<SearchInput>, nq: i64) -> Result<(u32, QueryVectors, usize)> {
    let bytes = match input {
        Some(SearchInput::PlaceholderGroup(bytes)) => bytes,
        Some(SearchInput::Ids(_)) => return Err(Error::not_built("search by primary keys")),
        None => return Err(Error::invalid("the search has no query vectors")),
    };
    weigh::check(&bytes, weigh::QUERIES)?;
    let group = PlaceholderGroup::decode(bytes)
        .map_err(|error| Error::invalid(format!("the query vectors cannot be decoded: {error}")))?;
    let [placeholder] = group.placeholders.as_slice() else {
        let text =
            format!("the search has {} groups of query vectors, one is needed", group.placeholders.len());
        return Err(Error::invalid(text));
    };
    // A placeholder's types have the numbers of the fields' types.
    let kind = match WireType::try_from(placeholder.vector_type) {
        Ok(WireType::FloatVector) => None,
        Ok(WireType::BinaryVector) => Some(Packed::Bit),
        Ok(WireType::Float16Vector) => Some(Packed::Float16),
        Ok(WireType::BFloat16Vector) => Some(Packed::BFloat16),
        Ok(WireType::Int8Vector) => Some(Packed::Int8),
        _ => {
            return Err(Error::not_built(format!("a query of type {}", query_type(placeholder.vector_type))));
        }
    };
    refuse(&[("a search on the elements of an array (element_level)", placeholder.element_level)])?;
    let queries = placeholder.values.len();
    if queries == 0 || queries > NQ_MAX {
        return Err(Error::invalid(format!(
            "the search has {queries} query vectors (nq), allowed is 1 to {NQ_MAX}"
        )));
    }
    if nq != 0 && usize::try_from(nq) != Ok(queries) {
        return Err(Error::invalid(format!("nq is {nq}, but there are {queries} query vectors")));
    }
    let (dim, vectors) = match kind {
        None => floats(&placeholder.values)?,
        Some(kind) => packed(kind, &placeholder.values)?,
    };
    let dim = u32::try_from(dim).map_err(|_| Error::invalid("the query vectors are too long"))?;
    Ok((dim, vectors, queries))
}

fn floats(vectors: &[Bytes]) -> Result<(usize, QueryVectors)> {
    let length = vectors[0].len();
    if length == 0 || !length.is_multiple_of(4) {
        return Err(Error::invalid(format!(
            "query vector 0 has {length} bytes, not a whole number of floats"
        )));
    }
    check_lengths(vectors, |bytes| bytes / 4)?;
    let mut values = Vec::with_capacity(vectors.len() * length / 4);
    for vector in vectors {
        values.extend(vector.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
    }
    finite("query vector", &values, length / 4, f32::is_finite)?;
    Ok((length / 4, QueryVectors::Float(values)))
}

fn packed(kind: Packed, vectors: &[Bytes]) -> Result<(usize, QueryVectors)> {
    let length = vectors[0].len();
    let dim = |bytes: usize| match kind {
        Packed::Bit => bytes.saturating_mul(8),
        Packed::Float16 | Packed::BFloat16 => bytes / 2,
        Packed::Int8 => bytes,
    };
    if length == 0 || u32::try_from(dim(length)).map(|dim| kind.row_bytes(dim)) != Ok(length) {
        let text = format!("query vector 0 has {length} bytes, no whole {}", kind.type_name());
        return Err(Error::invalid(text));
    }
    check_lengths(vectors, dim)?;
    Ok((dim(length), QueryVectors::Packed { kind, bytes: vectors.concat() }))
}

fn check_lengths(vectors: &[Bytes], dim: impl Fn(usize) -> usize) -> Result<()> {
    let first = vectors[0].len();
    match vectors.iter().position(|vector| vector.len() != first) {
        None => Ok(()),
        Some(i) => Err(Error::invalid(format!(
            "query vector {i} has dimension {}, query vector 0 has {}",
            dim(vectors[i].len()),
            dim(first)
        ))),
    }
}

fn query_type(number: i32) -> String {
    match number {
        300..=305 => "a list of vectors".to_owned(),
        _ => type_name(number),
    }
}
