//! Pictures of a run, as SVG: when which node was hit, when nothing was answered, how long answers took.

use super::board::COLLECTIONS;
use super::history::{Level, Micros, Op, Outcome, What};
use super::report::Report;
use super::service::{millis, quantile, shard};
use std::fmt::Write;

const SHARDS: usize = COLLECTIONS as usize;
const WIDTH: f64 = 1_100.0;
/// Left of the time axis stand the lanes' names.
const LEFT: f64 = 130.0;
const LANE: f64 = 22.0;
/// Columns of the latency picture.
const COLUMNS: usize = 220;
/// A pause between two successes that is shown as time without service.
const GAP_MIN: Micros = 500_000;

/// Nodes and faults over time, and below them the time without an acknowledged write in each shard, and without an answer at Eventually
/// from each node.
pub fn timeline(report: &Report) -> String {
    let nodes = report.nodes as usize;
    let height = LANE * lanes(nodes).len() as f64 + 30.0;
    let mut svg = open(height);
    for (lane, name) in lanes(nodes).iter().enumerate() {
        let y = lane as f64 * LANE;
        let _ = write!(svg, "<text x=\"4\" y=\"{:.0}\">{name}</text>", y + 15.0);
        let _ = write!(
            svg,
            "<rect x=\"{LEFT}\" y=\"{:.0}\" width=\"{:.0}\" height=\"18\" fill=\"#e8f0e8\"/>",
            y + 2.0,
            WIDTH - LEFT
        );
    }
    for fault in &report.faults {
        for node in &fault.nodes {
            let lane = *node as usize - 1;
            let name = fault.fault.name();
            bar(&mut svg, report, lane, (fault.start, fault.healed), "#c0392b", &name);
            bar(
                &mut svg,
                report,
                lane,
                (fault.healed, fault.serving),
                "#e6b0aa",
                &format!("{name}: until it serves"),
            );
        }
    }
    for of in 0..SHARDS {
        for gap in gaps(report, |op| is_acked(op) && shard(op) == Some(of as i64)) {
            bar(&mut svg, report, nodes + of, gap, "#d68910", "no acknowledged write in this shard");
        }
    }
    for node in 1..=nodes {
        for gap in gaps(report, |op| is_eventual(op) && op.door == node as u64) {
            bar(&mut svg, report, nodes + SHARDS + node - 1, gap, "#7d3c98", "no answer at Eventually");
        }
    }
    axis(&mut svg, report, height - 14.0);
    svg.push_str("</svg>");
    svg
}

fn lanes(nodes: usize) -> Vec<String> {
    let faults = (1..=nodes).map(|node| format!("faults at node {node}"));
    let reads = (1..=nodes).map(|node| format!("no read, node {node}"));
    faults.chain((0..SHARDS).map(|of| format!("no write, shard {of}"))).chain(reads).collect()
}

/// The longest answer in each column of time, on a logarithmic scale, for acknowledged writes and reads.
pub fn latency(report: &Report) -> String {
    const HEIGHT: f64 = 260.0;
    let y = |ms: f64| HEIGHT - 30.0 - (ms.max(0.1).log10() + 1.0) / 5.0 * (HEIGHT - 40.0);
    let mut svg = open(HEIGHT);
    for (ms, text) in
        [(0.1, "0.1 ms"), (1.0, "1 ms"), (10.0, "10 ms"), (100.0, "100 ms"), (1e3, "1 s"), (1e4, "10 s")]
    {
        let _ = write!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{0:.1}\" y2=\"{0:.1}\" stroke=\"#ddd\"/>",
            y(ms)
        );
        let _ = write!(svg, "<text x=\"60\" y=\"{:.1}\">{text}</text>", y(ms) + 4.0);
    }
    type Test = fn(&Op) -> bool;
    let kinds: [(&str, &str, Test); 3] = [
        ("writes", "#d68910", is_acked),
        ("reads at Strong", "#2471a3", is_strong),
        ("reads at Eventually", "#7d3c98", is_eventual),
    ];
    for (number, (name, colour, test)) in kinds.into_iter().enumerate() {
        for (part, dots) in [(0.5, 1.6), (1.0, 2.6)] {
            for (column, ms) in
                columns(report, test, part).into_iter().enumerate().filter(|(_, ms)| *ms > 0.0)
            {
                let x = LEFT + (column as f64 + 0.5) / COLUMNS as f64 * (WIDTH - LEFT);
                let opacity = if part < 1.0 { 1.0 } else { 0.45 };
                let _ = write!(
                    svg,
                    "<circle cx=\"{x:.1}\" cy=\"{:.1}\" r=\"{dots}\" fill=\"{colour}\" opacity=\"{opacity}\"/>",
                    y(ms)
                );
            }
        }
        let _ = write!(
            svg,
            "<text x=\"{:.0}\" y=\"12\" fill=\"{colour}\">{name}: median, longest</text>",
            LEFT + 10.0 + 230.0 * number as f64
        );
    }
    axis(&mut svg, report, HEIGHT - 14.0);
    svg.push_str("</svg>");
    svg
}

/// A quantile of the latencies in each column; 0 where nothing was answered.
fn columns(report: &Report, test: impl Fn(&Op) -> bool, part: f64) -> Vec<f64> {
    let mut columns = vec![Vec::new(); COLUMNS];
    for op in report.ops.iter().filter(|op| test(op) && op.end < report.until) {
        let column = (op.end as f64 / report.until.max(1) as f64 * COLUMNS as f64) as usize;
        columns[column.min(COLUMNS - 1)].push(millis(op.end - op.start));
    }
    columns.iter_mut().map(|times| quantile(times, part)).collect()
}

fn is_acked(op: &Op) -> bool {
    op.is_write() && op.outcome == Outcome::Ok
}

fn is_strong(op: &Op) -> bool {
    matches!(op.what, What::Read { level: Level::Strong, is_final: false, .. }) && op.outcome == Outcome::Ok
}

fn is_eventual(op: &Op) -> bool {
    matches!(op.what, What::Read { level: Level::Eventually, is_final: false, .. })
        && op.outcome == Outcome::Ok
}

/// Stretches without a success.
fn gaps(report: &Report, is_success: impl Fn(&Op) -> bool) -> Vec<(Micros, Micros)> {
    let ends = report.ops.iter().filter(|op| is_success(op)).map(|op| op.end.min(report.until));
    let mut last = 0;
    let mut gaps = Vec::new();
    for end in ends.chain([report.until]) {
        if end > last + GAP_MIN {
            gaps.push((last, end));
        }
        last = last.max(end);
    }
    gaps
}

fn open(height: f64) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" width=\"100%\" xmlns=\"http://www.w3.org/2000/svg\" font-family=\"sans-serif\" font-size=\"12\">"
    )
}

fn bar(
    svg: &mut String,
    report: &Report,
    lane: usize,
    (from, to): (Micros, Micros),
    colour: &str,
    what: &str,
) {
    let width = ((to - from.min(to)) as f64 / report.until.max(1) as f64 * (WIDTH - LEFT)).max(1.0);
    let _ = write!(
        svg,
        "<rect x=\"{:.1}\" y=\"{:.0}\" width=\"{width:.1}\" height=\"18\" fill=\"{colour}\"><title>{what}, {:.2} s to {:.2} s</title></rect>",
        x(report, from),
        lane as f64 * LANE + 2.0,
        millis(from) / 1e3,
        millis(to) / 1e3
    );
}

fn axis(svg: &mut String, report: &Report, y: f64) {
    for tick in 0..=10 {
        let at = report.until * tick / 10;
        let _ = write!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{:.0} s</text>",
            x(report, at),
            y + 10.0,
            millis(at) / 1e3
        );
    }
}

fn x(report: &Report, at: Micros) -> f64 {
    LEFT + at.min(report.until) as f64 / report.until.max(1) as f64 * (WIDTH - LEFT)
}
