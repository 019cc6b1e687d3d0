//! Which index types and build parameters are taken.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use vecraft_types::schema::MMAP_ENABLED;
use vecraft_types::{Error, Result};

/// A build parameter: its name and what it allows.
type Param = (&'static str, Allowed);

/// Values of a build parameter.
enum Allowed {
    Whole(RangeInclusive<u64>),
    /// One of these, in any case.
    Words(&'static [&'static str]),
}

const NLIST: Param = ("nlist", Allowed::Whole(1..=65_536));
const LISTS: &[Param] = &[NLIST];
const LISTS_CODED: &[Param] = &[NLIST, REFINE, REFINE_TYPE];
const LISTS_SCANN: &[Param] = &[NLIST, ("with_raw_data", Allowed::Words(&["true", "false"]))];
const REFINE: Param = ("refine", Allowed::Words(&["true", "false"]));
const REFINE_TYPE: Param = ("refine_type", Allowed::Words(&["SQ6", "SQ8", "FP16", "BF16", "FP32"]));
const PARTS: Param = ("m", Allowed::Whole(1..=65_536));
const PART_BITS: Param = ("nbits", Allowed::Whole(1..=24));
const LISTS_PQ: &[Param] = &[NLIST, PARTS, PART_BITS, REFINE, REFINE_TYPE];
const M: Param = ("M", Allowed::Whole(2..=2_048));
const EF_CONSTRUCTION: Param = ("efConstruction", Allowed::Whole(1..=i32::MAX as u64));
const GRAPH: &[Param] = &[M, EF_CONSTRUCTION];
const GRAPH_PQ: &[Param] = &[M, EF_CONSTRUCTION, PARTS, PART_BITS, REFINE, REFINE_TYPE];
const GRAPH_SQ: &[Param] = &[
    M,
    EF_CONSTRUCTION,
    ("sq_type", Allowed::Words(&["SQ4", "SQ6", "SQ8", "BF16", "FP16"])),
    REFINE,
    REFINE_TYPE,
];

/// What every type takes.
const ANY: &[Param] = &[(MMAP_ENABLED, Allowed::Words(&["true", "false"]))];

/// The types we serve with their build parameters. Which of them are needed, and what goes with the dimension of the
/// vectors, is asked of the engine by the proxy.
const TYPES: &[(&str, &[Param])] = &[
    ("FLAT", &[]),
    ("BIN_FLAT", &[]),
    ("BIN_IVF_FLAT", LISTS),
    ("IVF_FLAT", LISTS),
    ("IVF_SQ8", LISTS_CODED),
    ("IVF_PQ", LISTS_PQ),
    ("IVF_RABITQ", LISTS_CODED),
    ("SCANN", LISTS_SCANN),
    ("HNSW", GRAPH),
    ("HNSW_SQ", GRAPH_SQ),
    ("HNSW_PQ", GRAPH_PQ),
    ("HNSWLIB", GRAPH),
    ("AUTOINDEX", &[]),
];

impl Allowed {
    fn takes(&self, value: &str) -> bool {
        match self {
            Allowed::Whole(range) => value.parse().is_ok_and(|number: u64| range.contains(&number)),
            Allowed::Words(words) => words.iter().any(|word| word.eq_ignore_ascii_case(value)),
        }
    }

    fn text(&self) -> String {
        match self {
            Allowed::Whole(range) => format!("whole numbers from {} to {}", range.start(), range.end()),
            Allowed::Words(words) => words.join(", "),
        }
    }
}

/// The type's name in upper case; empty means AUTOINDEX.
///
/// # Errors
/// 1100 with the list of types, when it is none of them.
pub(super) fn check_type(given: &str) -> Result<String> {
    if given.is_empty() {
        return Ok("AUTOINDEX".to_owned());
    }
    let name = given.to_ascii_uppercase();
    if TYPES.iter().any(|(known, _)| *known == name) {
        return Ok(name);
    }
    let list: Vec<&str> = TYPES.iter().map(|(known, _)| *known).collect();
    Err(Error::invalid(format!("index type {given:?} is not supported, supported are {}", list.join(", "))))
}

/// Checks the build parameters of a type that passed [`check_type`].
///
/// # Errors
/// 1100 that names the parameter and what is allowed.
pub(super) fn check_params(index_type: &str, given: &BTreeMap<String, String>) -> Result<()> {
    let known = TYPES.iter().find(|(name, _)| *name == index_type).map_or(&[][..], |(_, params)| params);
    for (key, value) in given {
        let mut all = known.iter().chain(ANY);
        let Some((_, allowed)) = all.find(|(name, _)| name == key) else {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            let takes = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            let text = format!(
                "build parameter {key:?} is not supported by index type {index_type}, which takes {takes}"
            );
            return Err(Error::invalid(text));
        };
        if !allowed.takes(value) {
            let text = format!("build parameter {key} is {value:?}, allowed are {}", allowed.text());
            return Err(Error::invalid(text).with("index_type", index_type));
        }
    }
    Ok(())
}
