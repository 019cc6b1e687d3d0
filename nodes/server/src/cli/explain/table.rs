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
        "{} in all, {} before shards were asked: {}, {}, {matches} of {rows} rows match, {distances} distances, {} touched",
        time(told.total_us),
        time(told.plan_us),
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
        told.position.0,
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
        let _ = writeln!(text, "  {}: {}{}; {times}", segment.segment, segment.why, effort_words(segment));
    }
    text
}

/// Who set the effort, and what came after.
fn effort_words(told: &SegmentExplanation) -> String {
    let Some(effort) = &told.effort else { return String::new() };
    let by = match effort.set_by.as_str() {
        "given" => "as given".to_owned(),
        by => format!("by {by}"),
    };
    let refined = if effort.refined > 0 { format!(", {} refined", effort.refined) } else { String::new() };
    format!(", {} {} {by}{refined}", effort.parameter, effort.value)
}

fn cells(told: &SegmentExplanation) -> [String; 11] {
    let effort = told.effort.as_ref();
    let effort =
        effort.map_or_else(|| "-".to_owned(), |effort| format!("{} {}", effort.parameter, effort.value));
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use vecraft_types::api::{Effort, KeyExplanation, KeyVerdict, NamedRows, SegmentStrategy};
    use vecraft_types::{
        Column, ColumnData, FieldId, GroupId, LogPosition, NodeId, PrimaryKey, SegmentId, Timestamp,
    };

    fn told() -> Explanation {
        let segment = SegmentExplanation {
            segment: SegmentId(7),
            phase: SegmentPhase::Sealed,
            rows: 60_000,
            deleted_rows: 12,
            matches: 5_000,
            strategy: SegmentStrategy::GraphTwoHop,
            why: "5000 of 60000 rows match".to_owned(),
            effort: Some(Effort {
                parameter: "ef".into(),
                value: 64,
                refined: 20,
                set_by: "recall 0.95".into(),
            }),
            code_distances: 2_700,
            exact_distances: 20,
            bytes_touched: 3 << 20,
            expected_recall: Some(0.956),
            filter_us: 900,
            search_us: 1_500,
            ..SegmentExplanation::default()
        };
        let shard = ShardExplanation {
            node: NodeId(2),
            group: Some(GroupId(4)),
            position: LogPosition(31),
            barrier_us: 4_000,
            execute_us: 5_000,
            proxy_us: 10_000,
            segments: vec![segment],
            ..ShardExplanation::default()
        };
        let mut key = KeyExplanation::new(PrimaryKey::Int64(42), KeyVerdict::BeyondLimit);
        (key.rank, key.score) = (Some(17), Some(0.5));
        key.words = key.to_string();
        Explanation {
            collection: "docs".into(),
            field: "vector".into(),
            metric: "L2".into(),
            limit: 10,
            consistency: "strong".into(),
            total_us: 10_500,
            plan_us: 300,
            shards: vec![ShardExplanation { round: 1, ..shard }],
            keys: vec![key],
            ..Explanation::default()
        }
    }

    fn reply(keys: &[i64]) -> SearchReply {
        let column = Column::new(FieldId(0), ColumnData::Int64(keys.to_vec()));
        SearchReply {
            counts: vec![keys.len()],
            scores: keys.iter().map(|key| *key as f32 / 2.0).collect(),
            recalls: Vec::new(),
            primary_field: "id".into(),
            rows: NamedRows::new(vec![("id".into(), column)]).unwrap(),
            output_fields: Vec::new(),
            groups: None,
            timestamp: Timestamp(1),
            seen: Vec::new(),
            explanation: None,
        }
    }

    #[test]
    fn a_table_says_the_way_the_time_and_what_became_of_keys() {
        let text = table(&told(), &reply(&[1, 2]));
        for words in [
            "docs.vector, L2, no index, limit 10, strong\n",
            "filter: none, every row matches\n",
            "10.50 ms in all, 300 us before shards were asked: 1 shard, 1 segment, 5000 of 60000 rows match, 2720 distances, 3.0 MiB touched\n",
            "shard 0 at node 2, group 4, log position 31: 10.00 ms\n",
            "  waiting to be fresh enough       4.00 ms  ########\n",
            "  filter and search                5.00 ms  ##########\n",
            "  network and the rest             1.00 ms  ##\n",
            "7        sealed  60000  12       5000     graph two-hop  -      ef 64   2700 code + 20 exact  3.0 MiB  0.956\n",
            "  7: 5000 of 60000 rows match, ef 64 by recall 0.95, 20 refined; filter 900 us, search 1.50 ms\n",
            "hits: 1 (0.5), 2 (1)\n",
            "key 42  beyond the limit: real rank 17, score 0.5\n",
        ] {
            assert!(text.contains(words), "{words:?} is missing:\n{text}");
        }
        let many: Vec<i64> = (0..25).collect();
        assert!(table(&told(), &reply(&many)).contains(", and 15 more\n"));
        assert!(table(&told(), &reply(&[])).contains("\nno hits\n"));
    }
}
