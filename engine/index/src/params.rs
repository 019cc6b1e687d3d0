//! Parameters as users write them: text by name, of which every one must be known to whoever reads them.

use crate::{Error, Result};
use std::collections::BTreeMap;

/// User parameters, of which every one must be taken.
pub(crate) struct Params<'a> {
    all: &'a BTreeMap<String, String>,
    known: Vec<&'static str>,
    passed: Option<&'a str>,
}

impl<'a> Params<'a> {
    pub(crate) fn new(all: &'a BTreeMap<String, String>) -> Self {
        Params { all, known: Vec::new(), passed: None }
    }

    /// Leaves a parameter to others.
    pub(crate) fn pass(&mut self, name: &str) {
        self.passed = self.all.get_key_value(name).map(|(name, _)| name.as_str());
    }

    /// An optional whole number within `range`.
    pub(crate) fn integer(
        &mut self,
        name: &'static str,
        range: std::ops::RangeInclusive<usize>,
    ) -> Result<Option<usize>> {
        self.known.push(name);
        let Some(text) = self.all.get(name) else { return Ok(None) };
        match text.trim().parse::<usize>() {
            Ok(value) if range.contains(&value) => Ok(Some(value)),
            _ => {
                let reason = format!("must be a whole number from {} to {}", range.start(), range.end());
                Err(Error::parameter(name, text, reason))
            }
        }
    }

    /// An optional number of at least 1, fractions allowed.
    pub(crate) fn at_least_one(&mut self, name: &'static str) -> Result<Option<f32>> {
        self.known.push(name);
        let Some(text) = self.all.get(name) else { return Ok(None) };
        match text.trim().parse::<f32>() {
            Ok(value) if value >= 1.0 && value.is_finite() => Ok(Some(value)),
            _ => Err(Error::parameter(name, text, "must be a number of at least 1")),
        }
    }

    /// An optional share, above 0 to 1.
    pub(crate) fn share(&mut self, name: &'static str) -> Result<Option<f32>> {
        self.known.push(name);
        let Some(text) = self.all.get(name) else { return Ok(None) };
        match text.trim().parse::<f32>() {
            Ok(value) if value > 0.0 && value <= 1.0 => Ok(Some(value)),
            _ => Err(Error::parameter(name, text, "must be a number above 0, at most 1")),
        }
    }

    /// An optional word of a list, in any case; its place in the list.
    pub(crate) fn word(&mut self, name: &'static str, words: &[&str]) -> Result<Option<usize>> {
        self.known.push(name);
        let Some(text) = self.all.get(name) else { return Ok(None) };
        match words.iter().position(|word| word.eq_ignore_ascii_case(text.trim())) {
            Some(at) => Ok(Some(at)),
            None => Err(Error::parameter(name, text, format!("must be one of {}", words.join(", ")))),
        }
    }

    /// An optional `true` or `false`.
    pub(crate) fn flag(&mut self, name: &'static str) -> Result<Option<bool>> {
        Ok(self.word(name, &["true", "false"])?.map(|at| at == 0))
    }

    /// Refuses what was not asked for.
    pub(crate) fn finish(self, type_name: &str) -> Result<()> {
        let is_known = |key: &str| self.known.contains(&key) || self.passed == Some(key);
        match self.all.iter().find(|(key, _)| !is_known(key)) {
            None => Ok(()),
            Some((key, value)) => {
                let known = if self.known.is_empty() { "none".to_owned() } else { self.known.join(", ") };
                Err(Error::parameter(key, value, format!("unknown for {type_name}; known: {known}")))
            }
        }
    }
}
