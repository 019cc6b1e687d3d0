//! The passages, sentences and true answers that the demo works with.
//!
//! The program contains those of `scripts/data`, so the demo runs wherever the program does; a folder with files of
//! the same form can be read instead.

use super::npy::{self, Matrix};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use vecraft_storage::{Disk, RealDisk};

/// What the demo loads, searches with, and compares its answers to.
#[derive(Debug)]
pub struct DemoData {
    /// The rows to insert.
    pub passages: Set,
    /// The sentences to search with.
    pub queries: Set,
    /// Ids of the nearest passages of each sentence, best first.
    pub truth: Matrix<i32>,
}

/// Texts and one embedding for each.
#[derive(Debug)]
pub struct Set {
    /// The texts; ids count from 0.
    pub texts: Vec<Passage>,
    /// Their embeddings.
    pub vectors: Matrix<f32>,
}

/// One line of `passages.jsonl` or `queries.jsonl`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passage {
    /// The line's number, from 0.
    pub id: i64,
    /// The page or word it stands under.
    pub title: String,
    /// The passage.
    pub text: String,
    /// Which work it is from.
    pub source: String,
    /// Characters of `text`.
    pub length: i64,
}

/// Names the shipped files and their content.
macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_bytes!(concat!("../../../../../scripts/data/", $name)).as_slice())),+]
    };
}

const SHIPPED: [(&str, &[u8]); 5] =
    shipped!["passages.jsonl", "passages.npy", "queries.jsonl", "queries.npy", "truth.npy"];

impl DemoData {
    /// The data inside the program.
    pub fn shipped() -> Result<DemoData, String> {
        let files: BTreeMap<_, _> = SHIPPED.into_iter().collect();
        DemoData::from_files(|name| Ok(files.get(name).copied().unwrap_or_default().to_vec()))
    }

    /// The data of a folder.
    pub fn read(folder: &Path) -> Result<DemoData, String> {
        // The disk would make a missing folder.
        if !folder.is_dir() {
            return Err(format!("--data {} is not a folder", folder.display()));
        }
        let disk = RealDisk::new(folder).map_err(|e| e.to_string())?;
        DemoData::from_files(|name| disk.read_all(name).map_err(|e| e.to_string()))
            .map_err(|why| format!("--data {}: {why}", folder.display()))
    }

    fn from_files(read: impl Fn(&str) -> Result<Vec<u8>, String>) -> Result<DemoData, String> {
        let array = |name: &str| npy::read_f16(&read(name)?).map_err(|why| format!("{name}: {why}"));
        let texts = |name: &str| parse_lines(&read(name)?).map_err(|why| format!("{name}: {why}"));
        let passages = Set { texts: texts("passages.jsonl")?, vectors: array("passages.npy")? };
        let queries = Set { texts: texts("queries.jsonl")?, vectors: array("queries.npy")? };
        let truth = npy::read_i32(&read("truth.npy")?).map_err(|why| format!("truth.npy: {why}"))?;
        let data = DemoData { passages, queries, truth };
        data.check()?;
        Ok(data)
    }

    fn check(&self) -> Result<(), String> {
        for (name, set) in [("passages", &self.passages), ("queries", &self.queries)] {
            let (texts, rows) = (set.texts.len(), set.vectors.rows);
            if texts != rows || texts == 0 {
                return Err(format!("{texts} {name} have {rows} vectors"));
            }
            if let Some((row, text)) = set.texts.iter().enumerate().find(|(row, text)| text.id != *row as i64)
            {
                return Err(format!("line {} of {name}.jsonl has id {}, ids count from 0", row + 1, text.id));
            }
        }
        if self.passages.vectors.columns != self.queries.vectors.columns {
            return Err("passages and queries differ in dimension".into());
        }
        if self.truth.rows != self.queries.vectors.rows {
            return Err(format!("{} sentences have {} answers", self.queries.vectors.rows, self.truth.rows));
        }
        Ok(())
    }
}

fn parse_lines(bytes: &[u8]) -> Result<Vec<Passage>, String> {
    let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
    let parse =
        |(number, line)| serde_json::from_str(line).map_err(|why| format!("line {}: {why}", number + 1));
    text.lines().enumerate().map(parse).collect()
}
