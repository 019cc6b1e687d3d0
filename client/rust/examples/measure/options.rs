//! `KEY=VALUE` words.

use std::collections::BTreeMap;
use std::str::FromStr;

/// What was not taken yet.
pub struct Options(BTreeMap<String, String>);

impl Options {
    pub fn read(words: impl Iterator<Item = String>) -> Options {
        let pair = |word: String| {
            let (key, value) = word.split_once('=').unwrap_or_else(|| panic!("{word}: not KEY=VALUE"));
            (key.to_owned(), value.to_owned())
        };
        Options(words.map(pair).collect())
    }

    pub fn take(&mut self, key: &str, default: &str) -> String {
        self.0.remove(key).unwrap_or_else(|| default.to_owned())
    }

    pub fn number<T: FromStr>(&mut self, key: &str, default: &str) -> T {
        let word = self.take(key, default);
        word.parse().unwrap_or_else(|_| panic!("{key}={word}: not a number"))
    }

    /// Numbers between commas.
    pub fn numbers<T: FromStr>(&mut self, key: &str, default: &str) -> Vec<T> {
        self.take(key, default).split(',').filter_map(|word| word.parse().ok()).collect()
    }

    /// Complains about words that nobody knows.
    pub fn end(self) {
        if let Some(key) = self.0.keys().next() {
            panic!("{key}: no such option");
        }
    }
}
