//! The parameters of indexes of codes: `sq_type`; `m`, `nbits`; `refine`, `refine_type`.

use crate::params::Params;
use crate::{Error, Result};

/// How values are coded (`sq_type`). The number is the one in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum SqType {
    /// One byte a dimension.
    Sq8 = 1,
    /// Six bits a dimension, rotated.
    Sq6 = 2,
    /// Four bits a dimension, rotated.
    Sq4 = 3,
    /// The upper half of an f32 a dimension.
    Bf16 = 4,
    /// A 16-bit float of IEEE 754 a dimension.
    Fp16 = 5,
}

/// Which distances the answers are chosen by (`refine`, `refine_type`). The number is the one in the file.
///
/// Answers always carry exact distances, of the raw rows, which a segment has anyway: `refine_type` costs no
/// memory here, and a less precise one gets the same. What `refine = false` saves is looking at more than `limit`
/// rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Refine {
    /// `refine = false`: the `limit` nearest by codes are the answer.
    Off = 0,
    /// `SQ6`.
    Sq6 = 1,
    /// `SQ8`.
    Sq8 = 2,
    /// `FP16`.
    Fp16 = 3,
    /// `BF16`.
    Bf16 = 4,
    /// `FP32`, the default.
    Fp32 = 5,
}

/// Values of `sq_type`.
pub const SQ_TYPES: [&str; 5] = ["SQ4", "SQ6", "SQ8", "BF16", "FP16"];

const SQS: [SqType; 5] = [SqType::Sq4, SqType::Sq6, SqType::Sq8, SqType::Bf16, SqType::Fp16];

/// Values of `refine_type`.
pub const REFINE_TYPES: [&str; 5] = ["SQ6", "SQ8", "FP16", "BF16", "FP32"];

const REFINES: [Refine; 5] = [Refine::Sq6, Refine::Sq8, Refine::Fp16, Refine::Bf16, Refine::Fp32];

/// How product codes are cut (`m`, `nbits`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PqShape {
    /// Parts of a vector, each coded by itself. 1..=65536; an index takes no more than there are dimensions.
    pub m: usize,
    /// Bits of a part's code. 1..=24, default 8; there are never more different codes than sampled rows.
    pub nbits: usize,
}

impl PqShape {
    /// Takes `m`, needed unless there is a default, and `nbits`.
    pub(crate) fn take(keys: &mut Params<'_>, m: Option<usize>) -> Result<PqShape> {
        let given = keys.integer("m", 1..=65_536)?;
        let nbits = keys.integer("nbits", 1..=24)?.unwrap_or(8);
        match given.or(m) {
            Some(m) => Ok(PqShape { m, nbits }),
            None => Err(Error::parameter("m", "(not given)", "must be a whole number from 1 to 65536")),
        }
    }
}

impl SqType {
    /// Takes `sq_type`; SQ8 when absent.
    pub(crate) fn take(keys: &mut Params<'_>) -> Result<SqType> {
        Ok(keys.word("sq_type", &SQ_TYPES)?.map_or(SqType::Sq8, |at| SQS[at]))
    }

    /// The word users write.
    pub fn name(self) -> &'static str {
        SQS.iter().position(|sq_type| *sq_type == self).map_or("", |at| SQ_TYPES[at])
    }

    pub(crate) fn from_number(number: u32) -> Result<SqType> {
        SQS.into_iter()
            .find(|sq_type| *sq_type as u32 == number)
            .ok_or_else(|| Error::corrupt(format!("sq_type number {number} is unknown")))
    }
}

impl Refine {
    /// Takes `refine` (true when absent) and `refine_type` (FP32 when absent).
    pub(crate) fn take(keys: &mut Params<'_>) -> Result<Refine> {
        let is_on = keys.flag("refine")?.unwrap_or(true);
        let refine = keys.word("refine_type", &REFINE_TYPES)?.map_or(Refine::Fp32, |at| REFINES[at]);
        Ok(if is_on { refine } else { Refine::Off })
    }

    /// The pairs users would write.
    pub(crate) fn params(self) -> Vec<(&'static str, String)> {
        match REFINES.iter().position(|refine| *refine == self) {
            Some(at) => vec![("refine", "true".to_owned()), ("refine_type", REFINE_TYPES[at].to_owned())],
            None => vec![("refine", "false".to_owned())],
        }
    }

    pub(crate) fn from_number(number: u32) -> Result<Refine> {
        std::iter::once(Refine::Off)
            .chain(REFINES)
            .find(|refine| *refine as u32 == number)
            .ok_or_else(|| Error::corrupt(format!("refine number {number} is unknown")))
    }
}
