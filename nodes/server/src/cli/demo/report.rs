//! What the demo prints. Answers go to standard output, progress does not.

use super::data::DemoData;
use super::load::Loaded;
use super::search::{Hit, LIMIT, Searched, percentile};
use crate::Addresses;
use std::fmt::Write;
use std::time::Duration;

/// Sentences shown with their passages.
pub const SHOWN: usize = 5;
/// Passages shown of each.
const PASSAGES_SHOWN: usize = 3;
/// Characters of a line.
const LINE_CHARS: usize = 110;

/// Where a node that serves on is found.
pub fn doors(addresses: &Addresses) -> String {
    let Addresses { milvus, client, http } = addresses;
    format!(
        "  Milvus clients   http://{milvus}\n  Rust clients     {client}\n  health, metrics  http://{http}/healthz\n"
    )
}

/// What loading did.
pub fn loaded(loaded: &Loaded, data: &DemoData) -> String {
    let (rows, seconds) = (data.passages.texts.len(), loaded.took.as_secs_f64());
    format!(
        "inserted {rows} passages of {} dimensions in {seconds:.2} s ({:.0} rows/s, each on disk before it was \
         acknowledged)\nrows in the collection: {}\n",
        data.passages.vectors.columns,
        rows as f64 / seconds.max(1e-9),
        loaded.rows
    )
}

/// A sentence and the best passages found for it.
pub fn answers(question: &str, hits: &[Hit]) -> String {
    let mut text = format!("\n\"{}\"\n", cut(question, LINE_CHARS - 2));
    for hit in hits.iter().take(PASSAGES_SHOWN) {
        let from = format!("[{} {}]", hit.source, hit.id);
        let room = LINE_CHARS.saturating_sub(10 + from.chars().count());
        // Writing to a String does not fail.
        let _ = writeln!(text, "  {:.3}  {:<room$} {from}", hit.score, cut(&hit.text, room));
    }
    text
}

/// The measured figures.
pub fn figures(searched: &Searched, recall: f64) -> String {
    let milliseconds = |took: Duration| took.as_secs_f64() * 1e3;
    format!(
        "\n{} sentences searched, one after another: recall@{LIMIT} {recall:.3}, p50 {:.2} ms, p99 {:.2} ms\n",
        searched.took.len(),
        milliseconds(percentile(&searched.took, 50)),
        milliseconds(percentile(&searched.took, 99)),
    )
}

/// One line of at most `chars` characters.
pub fn cut(text: &str, chars: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(chars) {
        None => line,
        Some(_) => {
            let kept: String = line.chars().take(chars.saturating_sub(3)).collect();
            format!("{}...", kept.trim_end())
        }
    }
}
