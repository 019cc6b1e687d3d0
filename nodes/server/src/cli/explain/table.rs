//! An explanation as a table for people.

use std::fmt::Write;
use vecraft_types::api::{Explanation, SearchReply, SegmentExplanation, SegmentPhase, ShardExplanation};

const HEAD: [&str; 11] = [
    "segment",
    "phase",
    "rows",
    "deleted",
    "matches",
    "way",
    "index",
    "effort",
    "distances",
    "touched",
    "recall",
];
/// Cells of a full bar.
const BAR: u64 = 20;
/// Hits that are shown.
const SHOWN_HITS: usize = 10;

/// The search, each shard with its segments and where its time went, the hits, the keys asked for.
pub fn table(told: &Explanation, reply: &SearchReply) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}", summary(told));
    let filter = told.filter.as_deref().unwrap_or("none, every row matches");
    let _ = writeln!(text, "filter: {filter}");
    let _ = writeln!(text, "{}", totals(told));
    for shard in &told.shards {
        text.push('\n');
        text.push_str(&shard_text(shard));
    }
    let _ = writeln!(text, "\n{}", hits(reply));
    if !told.keys.is_empty() {
        let keys: Vec<String> = told.keys.iter().map(|key| key.key.to_string()).collect();
        let width = keys.iter().map(|key| key.chars().count()).max().unwrap_or(0);
        for (key, told) in keys.iter().zip(&told.keys) {
            let _ = writeln!(text, "key {key:<width$}  {}", told.words);
        }
    }
    text
}

fn summary(told: &Explanation) -> String {
    let index = match &told.index {
        Some(index) => format!("index {} ({})", index.name, index.index_type),
        None => "no index".to_owned(),
    };
    let params: Vec<String> = told.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let params = if params.is_empty() { String::new() } else { format!(", {}", params.join(" ")) };
    let Explanation { collection, field, metric, limit, consistency, .. } = told;
    format!("{collection}.{field}, {metric}, {index}, limit {limit}{params}, {consistency}")
}

fn totals(told: &Explanation) -> String {
    let segments = || told.shards.iter().flat_map(|shard| &shard.segments);
    let (shards, count) = (told.shards.iter().filter(|shard| shard.round == 1).count(), segments().count());
    let matches: u64 = segments().map(|segment| segment.matches).sum();
    let rows: u64 = segments().map(|segment| segment.rows).sum();
    let distances: u64 = told.shards.iter().map(ShardExplanation::distances).sum();
    let touched: u64 = told.shards.iter().map(ShardExplanation::bytes_touched).sum();
    format!(
        "{} in all: {}, {}, {matches} of {rows} rows match, {distances} distances, {} touched",
        time(told.total_us),
        many(shards, "shard"),
        many(count, "segment"),
        bytes(touched)
    )
}

fn many(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn shard_text(told: &ShardExplanation) -> String {
    let mut text = String::new();
    let group = told.group.map_or_else(String::new, |group| format!(", group {group}"));
    let round = if told.round > 1 { format!(", round {}", told.round) } else { String::new() };
    let _ = writeln!(
        text,
        "shard {} at node {}{group}, log position {}{round}: {}",
        told.shard,
        told.node,
        told.position,
        time(told.proxy_us)
    );
    let searching = told.execute_us.saturating_sub(told.fetch_us + told.keys_us);
    let known = told.admission_us + told.barrier_us + told.execute_us;
    let rest = told.proxy_us.saturating_sub(known);
    for (what, us) in [
        ("waiting for a search thread", told.admission_us),
        ("waiting to be fresh enough", told.barrier_us),
        ("filter and search", searching),
        ("looking for the keys asked for", told.keys_us),
        ("output fields", told.fetch_us),
        ("network and the rest", rest),
    ] {
        if us > 0 {
            let bar = "#".repeat((us * BAR).div_ceil(told.proxy_us.max(us).max(1)) as usize);
            let _ = writeln!(text, "  {what:<30} {:>9}  {bar}", time(us));
        }
    }
    text.push_str(&segments_text(&told.segments));
    text
}

fn segments_text(segments: &[SegmentExplanation]) -> String {
    let mut text = String::new();
    if segments.is_empty() {
        return text;
    }
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(segments.iter().map(cells));
    let widths: Vec<usize> =
        (0..HEAD.len()).map(|at| rows.iter().map(|row| row[at].len()).max().unwrap_or(0)).collect();
    for row in &rows {
        let line: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let _ = writeln!(text, "  {}", line.join("  ").trim_end());
    }
    for segment in segments {
        let times = format!("filter {}, search {}", time(segment.filter_us), time(segment.search_us));
        let _ = writeln!(text, "  {}: {}; {times}", segment.segment, segment.why);
    }
    text
}

fn cells(told: &SegmentExplanation) -> [String; 11] {
    let effort = told.effort.as_ref().map_or_else(
        || "-".to_owned(),
        |effort| {
            let refined =
                if effort.refined > 0 { format!(", {} refined", effort.refined) } else { String::new() };
            format!("{} {} ({}){refined}", effort.parameter, effort.value, effort.set_by)
        },
    );
    let kinds = [
        ("code", told.code_distances),
        ("exact", told.exact_distances),
        ("centroid", told.centroid_distances),
    ];
    let distances: Vec<String> =
        kinds.iter().filter(|(_, count)| *count > 0).map(|(kind, count)| format!("{count} {kind}")).collect();
    [
        told.segment.to_string(),
        if told.phase == SegmentPhase::Sealed { "sealed" } else { "growing" }.to_owned(),
        told.rows.to_string(),
        told.deleted_rows.to_string(),
        told.matches.to_string(),
        told.strategy.words().to_owned(),
        told.index.as_ref().map_or("-", |index| &index.kind).to_owned(),
        effort,
        if distances.is_empty() { "0".to_owned() } else { distances.join(" + ") },
        bytes(told.bytes_touched),
        told.expected_recall.map_or_else(|| "-".to_owned(), |recall| format!("{recall:.3}")),
    ]
}

fn hits(reply: &SearchReply) -> String {
    let keys = reply.rows.column(&reply.primary_field);
    let hit = |(row, score): (usize, &f32)| {
        let key = keys
            .and_then(|column| column.data.key(row))
            .map_or_else(|| "?".to_owned(), |key| key.to_string());
        format!("{key} ({score})")
    };
    let shown: Vec<String> = reply.scores.iter().take(SHOWN_HITS).enumerate().map(hit).collect();
    let more = match reply.scores.len().saturating_sub(SHOWN_HITS) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    if shown.is_empty() { "no hits".to_owned() } else { format!("hits: {}{more}", shown.join(", ")) }
}

fn time(us: u64) -> String {
    match us {
        0..=999 => format!("{us} us"),
        1_000..=999_999 => format!("{:.2} ms", us as f64 / 1e3),
        _ => format!("{:.2} s", us as f64 / 1e6),
    }
}

fn bytes(bytes: u64) -> String {
    match bytes {
        0..=1_023 => format!("{bytes} B"),
        1_024..=1_048_575 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}
