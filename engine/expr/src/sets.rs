//! Sets of constants, for `in`. Built once per filter, asked once per row.

use crate::ast::Literal;
use crate::number::Number;
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, DefaultHasher, Hasher};

/// A set of integers.
#[derive(Clone, Debug)]
pub(crate) struct IntSet {
    /// Ascending, each once.
    keys: Vec<i64>,
    lookup: IntLookup,
}

#[derive(Clone, Debug)]
enum IntLookup {
    /// Few enough to compare one by one.
    Scan,
    /// Close together: a bit for each number from the smallest key on.
    Bits(Vec<u64>),
    Hash(HashSet<i64, BuildHasherDefault<MixHasher>>),
}

/// Up to so many keys are compared one by one.
const SCAN_KEYS_MAX: usize = 8;
/// A bit table may spend so many bits a key.
const BITS_PER_KEY_MAX: u128 = 64;

impl IntSet {
    pub(crate) fn new(mut keys: Vec<i64>) -> IntSet {
        keys.sort_unstable();
        keys.dedup();
        let span = match (keys.first(), keys.last()) {
            (Some(first), Some(last)) => (i128::from(*last) - i128::from(*first)) as u128 + 1,
            _ => 0,
        };
        let lookup = if keys.len() <= SCAN_KEYS_MAX {
            IntLookup::Scan
        } else if span <= keys.len() as u128 * BITS_PER_KEY_MAX {
            let first = keys[0];
            let mut bits = vec![0u64; (span as usize).div_ceil(64)];
            for key in &keys {
                let bit = (key - first) as usize;
                bits[bit / 64] |= 1 << (bit % 64);
            }
            IntLookup::Bits(bits)
        } else {
            IntLookup::Hash(keys.iter().copied().collect())
        };
        IntSet { keys, lookup }
    }

    /// The keys, ascending.
    pub(crate) fn keys(&self) -> &[i64] {
        &self.keys
    }

    #[inline]
    pub(crate) fn contains(&self, key: i64) -> bool {
        match &self.lookup {
            IntLookup::Scan => self.keys.iter().fold(false, |found, mine| found | (*mine == key)),
            IntLookup::Bits(bits) => {
                // Below the first key the subtraction wraps to a bit that is not there.
                let bit = (key as u64).wrapping_sub(self.keys[0] as u64);
                bits.get((bit / 64) as usize).is_some_and(|word| word >> (bit % 64) & 1 == 1)
            }
            IntLookup::Hash(keys) => keys.contains(&key),
        }
    }
}

/// Hashes one integer by multiplying. The same on every machine: this crate has no randomness.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MixHasher(u64);

impl Hasher for MixHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_i64(i64::from(*byte)));
    }

    fn write_i64(&mut self, key: i64) {
        let wide = u128::from(self.0 ^ key as u64 ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
        self.0 = (wide >> 64) as u64 ^ wide as u64;
    }
}

/// A set of floats.
#[derive(Clone, Debug)]
pub(crate) struct FloatSet(Vec<f64>);

impl FloatSet {
    pub(crate) fn new(mut keys: Vec<f64>) -> FloatSet {
        // 0.0 and -0.0 are equal; adding 0.0 makes them one.
        keys.iter_mut().for_each(|key| *key += 0.0);
        keys.sort_by(f64::total_cmp);
        keys.dedup();
        FloatSet(keys)
    }

    pub(crate) fn keys(&self) -> &[f64] {
        &self.0
    }

    #[inline]
    pub(crate) fn contains(&self, key: f64) -> bool {
        let key = key + 0.0;
        self.0.binary_search_by(|mine| mine.total_cmp(&key)).is_ok()
    }
}

/// A set of strings.
#[derive(Clone, Debug)]
pub(crate) struct StrSet {
    /// Ascending, each once.
    keys: Vec<String>,
    hashed: HashSet<String, BuildHasherDefault<DefaultHasher>>,
}

impl StrSet {
    pub(crate) fn new(mut keys: Vec<String>) -> StrSet {
        keys.sort_unstable();
        keys.dedup();
        let is_small = keys.len() <= SCAN_KEYS_MAX;
        let hashed = if is_small { HashSet::default() } else { keys.iter().cloned().collect() };
        StrSet { keys, hashed }
    }

    /// The keys, ascending.
    pub(crate) fn keys(&self) -> &[String] {
        &self.keys
    }

    pub(crate) fn contains(&self, key: &str) -> bool {
        if self.hashed.is_empty() {
            self.keys.iter().any(|mine| mine == key)
        } else {
            self.hashed.contains(key)
        }
    }
}

/// Constants of several kinds, for values whose kind is known only row by row.
#[derive(Clone, Debug)]
pub(crate) struct ConstSet {
    has_numbers: bool,
    ints: IntSet,
    floats: FloatSet,
    strs: StrSet,
    /// Whether false and true are in it.
    bools: [bool; 2],
    len: usize,
}

/// What a row has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Known<'a> {
    Bool(bool),
    Number(Number),
    Str(&'a str),
}

impl ConstSet {
    pub(crate) fn new(literals: Vec<Literal>) -> ConstSet {
        let len = literals.len();
        let (mut ints, mut floats, mut strs, mut bools) = (Vec::new(), Vec::new(), Vec::new(), [false; 2]);
        for literal in literals {
            match literal {
                Literal::Bool(value) => bools[usize::from(value)] = true,
                Literal::Str(value) => strs.push(value),
                Literal::Number(number) => match number.as_int() {
                    Some(int) => ints.push(int),
                    None => floats.push(number.to_f64()),
                },
            }
        }
        ConstSet {
            has_numbers: !ints.is_empty() || !floats.is_empty(),
            ints: IntSet::new(ints),
            floats: FloatSet::new(floats),
            strs: StrSet::new(strs),
            bools,
            len,
        }
    }

    /// Number of constants as written.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The strings, when there are some and nothing else.
    pub(crate) fn only_texts(&self) -> Option<&[String]> {
        let is_only = !self.has_numbers && self.bools == [false; 2] && !self.strs.keys().is_empty();
        is_only.then_some(self.strs.keys())
    }

    /// The numbers that a float can be, ascending, when there are numbers and nothing else.
    pub(crate) fn only_floats(&self) -> Option<Vec<f64>> {
        if !self.has_numbers || self.bools != [false; 2] || !self.strs.keys().is_empty() {
            return None;
        }
        let whole = self.ints.keys().iter().map(|key| *key as f64);
        let is_exact =
            |float: &f64| Number::Float(*float).as_int().is_some_and(|int| self.ints.contains(int));
        let mut floats: Vec<f64> = whole.filter(is_exact).chain(self.floats.keys().iter().copied()).collect();
        floats.sort_by(f64::total_cmp);
        floats.dedup();
        Some(floats)
    }

    /// The Bool, when there is one and nothing else.
    pub(crate) fn only_bool(&self) -> Option<bool> {
        let is_only = !self.has_numbers && self.strs.keys().is_empty() && self.bools[0] != self.bools[1];
        is_only.then_some(self.bools[1])
    }

    /// `None` when the set has values, but none of this kind: like a comparison of two kinds, unknown.
    pub(crate) fn contains(&self, value: Known<'_>) -> Option<bool> {
        let (has_kind, found) = match value {
            Known::Bool(value) => (self.bools[0] || self.bools[1], self.bools[usize::from(value)]),
            Known::Str(value) => (!self.strs.keys().is_empty(), self.strs.contains(value)),
            Known::Number(number) => {
                let found = match number.as_int() {
                    Some(int) => self.ints.contains(int),
                    None => self.floats.contains(number.to_f64()),
                };
                (self.has_numbers, found)
            }
        };
        (has_kind || self.len == 0).then_some(found)
    }
}
