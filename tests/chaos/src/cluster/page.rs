//! The report as one page of HTML that needs nothing beside it.

use super::check::findings::Kind;
use super::picture;
use super::report::Report;
use super::service::{Cost, quantile};
use std::fmt::Write;

const STYLE: &str = "body{font:14px sans-serif;max-width:1140px;margin:20px auto;color:#222}table{border-collapse:collapse}\
                     td,th{border:1px solid #ccc;padding:3px 8px;text-align:right}td:first-child,th:first-child{text-align:left}\
                     .bad{background:#f5b7b1}.good{background:#d5f5e3}pre{white-space:pre-wrap}";

/// The page.
pub fn html(report: &Report) -> String {
    let mut page = format!(
        "<!doctype html><meta charset=\"utf-8\"><title>Vecraft chaos, seed {}</title><style>{STYLE}</style>",
        report.seed
    );
    let (acked, refused, unknown) = report.writes();
    let verdict = match report.findings.total() {
        0 => "nothing was found wrong".to_owned(),
        count => format!("{count} violations"),
    };
    let _ = write!(page, "<h1>Chaos on {} nodes, seed {}: {verdict}</h1>", report.nodes, report.seed);
    let _ = write!(
        page,
        "<p>{} s of faults ({}), {} operations: {acked} writes acknowledged, {refused} refused, {unknown} of unknown outcome. At rest \
         {} rows; {} scans and {} searches of single nodes compared. Histories of {} keys searched, {} undecided.</p><p>{}</p>",
        report.seconds,
        report.faults.len(),
        report.ops.len(),
        report.rest.0,
        report.rest.2,
        report.rest.1,
        report.keys.0,
        report.keys.1,
        text(&report.machine)
    );
    let _ = write!(page, "<h2>Faults and time without service</h2>{}", picture::timeline(report));
    let _ = write!(page, "<h2>Latency</h2>{}", picture::latency(report));
    kinds(&mut page, report);
    violations(&mut page, report);
    page.push_str("<h2>Errors that clients saw</h2><table><tr><th>error<th>times<th>for example</tr>");
    for (error, (count, example)) in &report.errors {
        let _ = write!(page, "<tr><td>{}<td>{count}<td>{}</tr>", text(error), text(example));
    }
    page.push_str("</table>");
    if !report.skipped.is_empty() {
        page.push_str("<h2>Skipped on this machine</h2><ul>");
        for (kind, why) in &report.skipped {
            let _ = write!(page, "<li>{kind}: {}", text(why));
        }
        page.push_str("</ul>");
    }
    page
}

/// The table of costs by kind of fault.
fn kinds(page: &mut String, report: &Report) {
    page.push_str(
        "<h2>What each kind of fault cost</h2><table><tr><th>fault<th>times<th>operations<th>acked<th>refused<th>unknown\
         <th>stale, torn, phantom<th>no write, median ms<th>worst<th>writes back, median ms<th>worst<th>no read at Eventually, worst ms</tr>",
    );
    for (fault, costs) in report.by_kind() {
        let sum = |value: fn(&Cost) -> u64| costs.iter().map(|cost| value(cost)).sum::<u64>();
        let mut gaps: Vec<f64> = costs.iter().map(|cost| cost.write_gap_ms).collect();
        let mut backs: Vec<f64> = costs.iter().filter_map(|cost| cost.recovery_ms).collect();
        let reads = costs.iter().filter_map(|cost| cost.read_gap_ms).max_by(f64::total_cmp);
        let _ = write!(
            page,
            "<tr><td title=\"{}\">{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{:.0}<td>{:.0}<td>{:.0}<td>{:.0}<td>{}</tr>",
            text(&fault.meaning()),
            fault.name(),
            costs.len(),
            sum(|cost| cost.ops),
            sum(|cost| cost.acked),
            sum(|cost| cost.refused),
            sum(|cost| cost.unknown),
            report.findings_during(fault),
            quantile(&mut gaps, 0.5),
            quantile(&mut gaps, 1.0),
            quantile(&mut backs, 0.5),
            quantile(&mut backs, 1.0),
            reads.map_or("all nodes hit".to_owned(), |gap| format!("{gap:.0}"))
        );
    }
    page.push_str("</table>");
}

/// The table of what was looked for, and the evidence of what was found.
fn violations(page: &mut String, report: &Report) {
    page.push_str("<h2>What was looked for</h2><table><tr><th>kind<th>found</tr>");
    for kind in Kind::ALL {
        let count = report.findings.count(kind);
        let class = if count == 0 { "good" } else { "bad" };
        let _ = write!(page, "<tr class=\"{class}\"><td>{}<td>{count}</tr>", kind.name());
    }
    page.push_str("</table>");
    for finding in &report.findings.examples {
        let _ = write!(
            page,
            "<pre class=\"bad\">{} at {:.3} s: {}</pre>",
            finding.kind.name(),
            finding.at as f64 / 1e6,
            text(&finding.evidence)
        );
    }
}

fn text(raw: &str) -> String {
    raw.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
