//! Key-value parameters: read what is known, refuse by name what is left.

use crate::proto::common::KeyValuePair;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use vecraft_types::{Error, Result};

/// The parameters of one request. Whatever nobody took is an error in [`Params::finish`].
pub(crate) struct Params {
    what: &'static str,
    values: BTreeMap<String, String>,
}

impl Params {
    /// Parameters called `what` in messages (`search parameter`).
    ///
    /// # Errors
    /// A key that comes twice with different values.
    pub fn new(what: &'static str, pairs: Vec<KeyValuePair>) -> Result<Params> {
        let mut params = Params { what, values: BTreeMap::new() };
        for pair in pairs {
            params.add(pair.key, pair.value)?;
        }
        Ok(params)
    }

    /// Adds a pair. Clients repeat some of them; the same value again is no error (Python and JSON write booleans
    /// differently).
    pub fn add(&mut self, key: String, value: String) -> Result<()> {
        match self.values.get(&key) {
            Some(known) if !known.eq_ignore_ascii_case(&value) => Err(Error::invalid(format!(
                "{} {} is given twice, as {} and as {}",
                self.what,
                shown(&key),
                shown(known),
                shown(&value)
            ))),
            _ => {
                self.values.insert(key, value);
                Ok(())
            }
        }
    }

    /// Takes a value; empty counts as absent.
    pub fn take(&mut self, key: &str) -> Option<String> {
        self.values.remove(key).filter(|value| !value.is_empty())
    }

    /// Takes an integer.
    pub fn integer(&mut self, key: &str) -> Result<Option<i64>> {
        let what = self.what;
        let read = |text: String| {
            text.trim()
                .parse()
                .map_err(|_| Error::invalid(format!("{what} {key:?} is {}, not an integer", shown(&text))))
        };
        self.take(key).map(read).transpose()
    }

    /// Takes a switch; absent is off.
    pub fn switch(&mut self, key: &str) -> Result<bool> {
        Ok(self.said(key)?.unwrap_or(false))
    }

    /// Takes a switch, if it is there.
    pub fn said(&mut self, key: &str) -> Result<Option<bool>> {
        match self.take(key).as_deref() {
            None => Ok(None),
            Some("False" | "false" | "0") => Ok(Some(false)),
            Some("True" | "true" | "1") => Ok(Some(true)),
            Some(other) => {
                let text = format!("{} {key:?} is {}, neither true nor false", self.what, shown(other));
                Err(Error::invalid(text))
            }
        }
    }

    /// Takes switches of features that are not built: off is fine, on is refused by name.
    pub fn refuse_if_on(&mut self, keys: &[&str]) -> Result<()> {
        for key in keys {
            match self.take(key).as_deref() {
                None | Some("False" | "false" | "0") => {}
                Some(value) => {
                    return Err(Error::not_built(format!("{} {key:?} = {}", self.what, shown(value))));
                }
            }
        }
        Ok(())
    }

    /// Takes the JSON object under `params`, as text by key.
    pub fn object(&mut self, key: &str) -> Result<BTreeMap<String, String>> {
        match self.take(key) {
            None => Ok(BTreeMap::new()),
            Some(text) => object(self.what, key, &text),
        }
    }

    /// All that is left, for a reader who checks the keys himself.
    pub fn rest(self) -> BTreeMap<String, String> {
        self.values
    }

    /// Lets features go that are known and asked for with nothing: an empty value is absent.
    pub fn forget_empty(&mut self, keys: &[&str]) {
        self.values.retain(|key, value| !(value.is_empty() && keys.contains(&key.as_str())));
    }

    /// Refuses what is left, whatever its value: a slip in a name is one also without a value.
    pub fn finish(self) -> Result<()> {
        match self.values.first_key_value() {
            None => Ok(()),
            Some((key, value)) => {
                Err(Error::not_built(format!("{} {} = {}", self.what, shown(key), shown(value))))
            }
        }
    }
}

/// Characters of a client's own text that an error repeats: enough to find it again, not the whole request.
const SHOWN_CHARS: usize = 100;

/// A text in quotes, cut when it is long.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        None => format!("{text:?}"),
        Some((at, _)) => format!("{:?}... ({} bytes)", &text[..at], text.len()),
    }
}

/// A JSON object as text by key: strings as they are, everything else as JSON.
fn object(what: &str, key: &str, text: &str) -> Result<BTreeMap<String, String>> {
    let plain = |value: Json| match value {
        Json::String(text) => text,
        other => other.to_string(),
    };
    match serde_json::from_str(text) {
        Ok(Json::Object(map)) => Ok(map.into_iter().map(|(key, value)| (key, plain(value))).collect()),
        Ok(_) => Err(Error::invalid(format!("{what} {key:?} is not a JSON object: {}", shown(text)))),
        Err(error) => Err(Error::invalid(format!("{what} {key:?} is not JSON ({error}): {}", shown(text)))),
    }
}

/// Refuses features that a request names outside its parameters.
///
/// # Errors
/// Code 1100 with the first name whose condition holds.
pub(crate) fn refuse(features: &[(&str, bool)]) -> Result<()> {
    match features.iter().find(|(_, is_used)| *is_used) {
        None => Ok(()),
        Some((name, _)) => Err(Error::not_built(name)),
    }
}

/// A pair for the wire.
pub(crate) fn pair(key: impl Into<String>, value: impl ToString) -> KeyValuePair {
    KeyValuePair { key: key.into(), value: value.to_string() }
}
