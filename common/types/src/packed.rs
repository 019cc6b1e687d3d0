//! Vectors whose elements are not f32, and query vectors of any type.
//!
//! Rows lie one after another, little-endian, as Milvus's protocol has them: two bytes an element for 16-bit floats, one
//! for int8, an eighth for bits (dimension `8 i + j` is bit `7 - j` of byte `i`; no distance looks at the order).
//! What it does *not* do: it computes no distance; that is the kernels' business.

use serde::{Deserialize, Serialize};

/// What the elements of a packed vector are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Packed {
    /// Bits, eight a byte.
    Bit,
    /// IEEE 754 binary16.
    Float16,
    /// The upper half of an f32.
    BFloat16,
    /// 8-bit signed integers.
    Int8,
}

impl Packed {
    /// Bytes of one vector. Whole dimensions only: those of bits are a multiple of 8 (checked with the schema).
    pub fn row_bytes(self, dim: u32) -> usize {
        let dim = dim as usize;
        match self {
            Packed::Bit => dim / 8,
            Packed::Float16 | Packed::BFloat16 => dim * 2,
            Packed::Int8 => dim,
        }
    }

    /// Milvus's name of the vector's type.
    pub fn type_name(self) -> &'static str {
        match self {
            Packed::Bit => "BinaryVector",
            Packed::Float16 => "Float16Vector",
            Packed::BFloat16 => "BFloat16Vector",
            Packed::Int8 => "Int8Vector",
        }
    }

    /// The position of the first element that is NaN or infinite; an odd byte at the end is not looked at.
    pub fn first_not_finite(self, bytes: &[u8]) -> Option<usize> {
        let exponent = match self {
            Packed::Bit | Packed::Int8 => return None,
            Packed::Float16 => 0x7c00,
            Packed::BFloat16 => 0x7f80,
        };
        let (elements, _) = bytes.as_chunks::<2>();
        elements.iter().position(|element| u16::from_le_bytes(*element) & exponent == exponent)
    }
}

/// The vectors of a search, one after another, all of the field's type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum QueryVectors {
    /// For a field of float vectors.
    Float(Vec<f32>),
    /// For a field of packed vectors.
    Packed {
        /// What the elements are.
        kind: Packed,
        /// Rows of [`Packed::row_bytes`] each.
        bytes: Vec<u8>,
    },
}

impl QueryVectors {
    /// Milvus's name of their type.
    pub fn type_name(&self) -> &'static str {
        match self {
            QueryVectors::Float(_) => "FloatVector",
            QueryVectors::Packed { kind, .. } => kind.type_name(),
        }
    }

    /// What the elements are; `None` for f32.
    pub fn packed(&self) -> Option<Packed> {
        match self {
            QueryVectors::Float(_) => None,
            QueryVectors::Packed { kind, .. } => Some(*kind),
        }
    }

    /// One of them, of vectors of this dimension; `None` when there is no such one.
    pub fn only(&self, number: usize, dim: u32) -> Option<QueryVectors> {
        let range = |width: usize| number * width..(number + 1) * width;
        match self {
            QueryVectors::Float(values) => {
                values.get(range(dim as usize)).map(|values| QueryVectors::Float(values.to_vec()))
            }
            QueryVectors::Packed { kind, bytes } => {
                let bytes = bytes.get(range(kind.row_bytes(dim)))?.to_vec();
                Some(QueryVectors::Packed { kind: *kind, bytes })
            }
        }
    }

    /// Bytes of all of them.
    pub fn bytes(&self) -> usize {
        match self {
            QueryVectors::Float(values) => size_of_val(values.as_slice()),
            QueryVectors::Packed { bytes, .. } => bytes.len(),
        }
    }

    /// How many there are of `dim` dimensions; `None` when the last one is not whole.
    pub fn count(&self, dim: u32) -> Option<usize> {
        let row = match self {
            QueryVectors::Float(_) => dim as usize * size_of::<f32>(),
            QueryVectors::Packed { kind, .. } => kind.row_bytes(dim),
        };
        (row > 0 && self.bytes().is_multiple_of(row)).then(|| self.bytes() / row)
    }
}

impl From<Vec<f32>> for QueryVectors {
    fn from(values: Vec<f32>) -> QueryVectors {
        QueryVectors::Float(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_by_their_bytes() {
        let bits = |bytes| QueryVectors::Packed { kind: Packed::Bit, bytes: vec![0; bytes] };
        assert_eq!((bits(6).count(16), bits(5).count(16), bits(0).count(16)), (Some(3), None, Some(0)));
        assert_eq!(bits(6).count(0), None);
        let halves = QueryVectors::Packed { kind: Packed::BFloat16, bytes: vec![0; 12] };
        assert_eq!((halves.count(3), halves.count(4)), (Some(2), None));
        assert_eq!(QueryVectors::from(vec![0.0; 6]).count(3), Some(2));
        assert_eq!(QueryVectors::from(vec![0.0; 6]).count(4), None);
    }

    #[test]
    fn nan_and_infinity_of_halves_are_found_and_nothing_else() {
        let find = |kind: Packed, elements: &[u16]| {
            let bytes: Vec<u8> = elements.iter().flat_map(|element| element.to_le_bytes()).collect();
            kind.first_not_finite(&bytes)
        };
        assert_eq!(find(Packed::Float16, &[0x7bff, 0x0001, 0xfbff]), None, "the largest and the smallest");
        for bad in [0x7c00, 0xfc00, 0x7e00, 0x7c01] {
            assert_eq!(find(Packed::Float16, &[0, bad]), Some(1), "{bad:04x}");
        }
        assert_eq!(find(Packed::BFloat16, &[0x7f7f, 0x0001, 0x7c00]), None);
        for bad in [0x7f80, 0xff80, 0x7fc0, 0xff81] {
            assert_eq!(find(Packed::BFloat16, &[0, 0, bad]), Some(2), "{bad:04x}");
        }
        assert_eq!(find(Packed::Int8, &[0xffff]), None);
        assert_eq!(find(Packed::Bit, &[0x7f80]), None);
    }
}
