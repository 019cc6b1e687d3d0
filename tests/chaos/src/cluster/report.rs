//! What is told at the end of a cluster run.

use super::check::findings::{Findings, Kind};
use super::history::{History, Level, Micros, Op, Outcome, What};
use super::page;
use super::plan::Fault;
use super::rest::Rested;
use super::run::{NODES, Plan};
use super::service::{Cost, Happened, costs, quantile};
use crate::Trouble;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The whole run, judged.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The program.
    pub program: String,
    /// Brings the choices back.
    pub seed: u64,
    /// How long faults happened.
    pub seconds: u64,
    /// Number of nodes.
    pub nodes: u64,
    /// Processors, memory and kernel.
    pub machine: String,
    /// When the last worker was told to end.
    pub until: Micros,
    /// The faults as they happened.
    pub faults: Vec<Happened>,
    /// What each cost.
    pub costs: Vec<Cost>,
    /// Kinds that this machine cannot do, with the reason.
    pub skipped: BTreeMap<String, String>,
    /// Errors that were answered: how often, and one in full.
    pub errors: BTreeMap<String, (u64, String)>,
    /// Rows, searches and scans at rest.
    pub rest: (usize, usize, usize),
    /// Keys whose register history was searched, and those without a verdict.
    pub keys: (usize, usize),
    /// What is wrong.
    pub findings: Findings,
    /// All operations.
    #[serde(skip)]
    pub ops: Vec<Op>,
}

impl Report {
    /// Puts the parts together.
    pub fn new(
        plan: &Plan,
        history: History,
        faults: Vec<Happened>,
        until: Micros,
        rested: Rested,
        keys: (usize, usize),
        findings: Findings,
    ) -> Report {
        Report {
            program: plan.program.display().to_string(),
            seed: plan.seed,
            seconds: plan.seconds,
            nodes: NODES as u64,
            machine: machine(),
            until,
            costs: costs(&history.ops, &faults, NODES as u64, until),
            faults,
            skipped: BTreeMap::new(),
            errors: history.errors,
            rest: (rested.rows, rested.searches, rested.scans),
            keys,
            findings,
            ops: history.ops,
        }
    }

    /// Writes by outcome: acknowledged, refused, unknown.
    pub fn writes(&self) -> (usize, usize, usize) {
        let count = |test: fn(Outcome) -> bool| {
            self.ops.iter().filter(|op| op.is_write() && test(op.outcome)).count()
        };
        (
            count(|outcome| outcome == Outcome::Ok),
            count(|outcome| matches!(outcome, Outcome::Refused(_))),
            count(|outcome| matches!(outcome, Outcome::Unknown(_))),
        )
    }

    /// Reads of a level: answered, not answered.
    pub fn reads(&self, name: &str) -> (usize, usize) {
        let of_level = |op: &&Op| match &op.what {
            What::Read { level, is_final: false, .. } => level.name() == name,
            _ => false,
        };
        let reads: Vec<&Op> = self.ops.iter().filter(of_level).collect();
        let answered = reads.iter().filter(|op| op.outcome == Outcome::Ok).count();
        (answered, reads.len() - answered)
    }

    /// What the faults of one kind cost, together.
    pub fn by_kind(&self) -> BTreeMap<Fault, Vec<&Cost>> {
        let mut kinds: BTreeMap<Fault, Vec<&Cost>> = BTreeMap::new();
        for (fault, cost) in self.faults.iter().zip(&self.costs) {
            kinds.entry(fault.fault).or_default().push(cost);
        }
        kinds
    }

    /// Violations seen between the begin of a fault of this kind and that of the next fault.
    pub fn findings_during(&self, kind: Fault) -> usize {
        let next = |at: usize| self.faults.get(at + 1).map_or(self.until, |fault| fault.start);
        let spans = self.faults.iter().enumerate().filter(|(_, fault)| fault.fault == kind);
        let spans: Vec<(Micros, Micros)> = spans.map(|(at, fault)| (fault.start, next(at))).collect();
        let is_during = |at: Micros| spans.iter().any(|(from, to)| (*from..*to).contains(&at));
        self.findings.examples.iter().filter(|finding| is_during(finding.at)).count()
    }

    /// The tables.
    pub fn print(&self) {
        let (acked, refused, unknown) = self.writes();
        println!("\nwrites      acked {acked}, refused {refused}, unknown {unknown}");
        for level in [Level::Strong, Level::Session, Level::Bounded(0), Level::Eventually] {
            let (answered, not) = self.reads(level.name());
            println!("{:<11} answered {answered}, not {not}", level.name());
        }
        println!(
            "at rest     {} rows, {} scans, {} searches compared",
            self.rest.0, self.rest.2, self.rest.1
        );
        println!("registers   {} keys searched, {} undecided", self.keys.0, self.keys.1);
        println!(
            "\nfault          times  acked unknown  write gap ms (median, worst)  writes back ms  Eventually gap ms"
        );
        for (fault, costs) in self.by_kind() {
            println!("{}", line(fault, &costs));
        }
        for (error, (count, example)) in &self.errors {
            println!("? {count:>6} x {error}, e.g. {example}");
        }
        for (kind, why) in &self.skipped {
            println!("skipped {kind}: {why}");
        }
        println!("{} kinds of faults skipped on this machine", self.skipped.len());
        for finding in &self.findings.examples {
            println!("! {} at {:.3} s: {}", finding.kind.name(), finding.at as f64 / 1e6, finding.evidence);
        }
        println!("\nseed {}, {} faults: {}", self.seed, self.faults.len(), self.findings.line());
    }

    /// Number of checks of which all came out well: kinds of violation without one.
    pub fn kinds_clean(&self) -> usize {
        Kind::ALL.iter().filter(|kind| self.findings.count(**kind) == 0).count()
    }
}

fn line(fault: Fault, costs: &[&Cost]) -> String {
    let sum = |value: fn(&Cost) -> u64| costs.iter().map(|cost| value(cost)).sum::<u64>();
    let mut gaps: Vec<f64> = costs.iter().map(|cost| cost.write_gap_ms).collect();
    let mut backs: Vec<f64> = costs.iter().filter_map(|cost| cost.recovery_ms).collect();
    let reads = costs.iter().filter_map(|cost| cost.read_gap_ms).max_by(f64::total_cmp);
    format!(
        "{:<14} {:>5} {:>6} {:>7}  {:>13.0} {:>13.0}  {:>8.0} {:>7.0}  {:>16}",
        fault.name(),
        costs.len(),
        sum(|cost| cost.acked),
        sum(|cost| cost.unknown),
        quantile(&mut gaps, 0.5),
        quantile(&mut gaps, 1.0),
        quantile(&mut backs, 0.5),
        quantile(&mut backs, 1.0),
        reads.map_or("all hit".to_owned(), |gap| format!("{gap:.0}")),
    )
}

impl Report {
    /// Writes `report.html` and `report.json`, and with it `history.jsonl` when somebody will want to look at every operation.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, dir: &Path, with_history: bool) -> Result<(), Trouble> {
        let text = serde_json::to_string_pretty(self).map_err(|e| e.to_string())?;
        put(&dir.join("report.json"), &text)?;
        put(&dir.join("report.html"), &page::html(self))?;
        if with_history {
            let lines: Result<Vec<String>, _> = self.ops.iter().map(serde_json::to_string).collect();
            put(&dir.join("history.jsonl"), &lines.map_err(|e| e.to_string())?.join("\n"))?;
        }
        Ok(())
    }
}

fn put(path: &Path, text: &str) -> Result<(), Trouble> {
    std::fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))
}

/// What kind of machine this is.
fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let line = |text: &str, name: &str| {
        let found = text.lines().find(|line| line.starts_with(name)).and_then(|line| line.split_once(':'));
        found.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{cores} cores of {}, {} of memory, Linux {}",
        line(&read("/proc/cpuinfo"), "model name"),
        line(&read("/proc/meminfo"), "MemTotal"),
        read("/proc/sys/kernel/osrelease").trim()
    )
}
