//! What is told at the end: a table for people, a file for programs.

use crate::Trouble;
use crate::checker::Findings;
use serde::Serialize;
use std::path::Path;

/// The whole run.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The program.
    pub program: String,
    /// Brings the choices back.
    pub seed: u64,
    /// Writers at once.
    pub writers: usize,
    /// Rounds asked for.
    pub rounds: usize,
    /// Rounds in which everything fitted.
    pub rounds_passed: usize,
    /// Kills while writers worked.
    pub kills_writing: usize,
    /// Kills while the server was starting.
    pub kills_starting: usize,
    /// Flushes begun beside the writers, so that kills meet checkpoints too.
    pub flushes: usize,
    /// Acknowledged writes and their rows.
    pub writes_acked: u64,
    /// Rows of acknowledged writes.
    pub rows_acked: u64,
    /// Acknowledged creates and drops of collections.
    pub ddl_acked: u64,
    /// Writes that ended with an error.
    pub writes_unknown: u64,
    /// Errors other than a broken connection: no fault by themselves, but worth a look.
    pub other_errors: Vec<String>,
    /// Strong reads of own keys beside the writes.
    pub reads: u64,
    /// Rows that the last scan saw.
    pub rows_at_end: usize,
    /// All scans together.
    pub rows_scanned: u64,
    /// From start to first right answer after each kill, in milliseconds.
    pub recovery_ms: Vec<f64>,
    /// Their median.
    pub recovery_median_ms: f64,
    /// The longest.
    pub recovery_worst_ms: f64,
    /// Seconds the run took.
    pub seconds: f64,
    /// What is wrong.
    pub findings: Findings,
    /// The error that ended the run early.
    pub trouble: Option<String>,
}

impl Report {
    /// Computes what follows from the rest.
    pub fn finish(&mut self) {
        let mut times = self.recovery_ms.clone();
        times.sort_by(f64::total_cmp);
        self.recovery_median_ms = times.get(times.len() / 2).copied().unwrap_or_default();
        self.recovery_worst_ms = times.last().copied().unwrap_or_default();
    }

    /// The table.
    pub fn print(&self) {
        let f = &self.findings;
        let rows: [(&str, String); 16] = [
            ("rounds passed", format!("{} of {}", self.rounds_passed, self.rounds)),
            (
                "kill -9",
                format!("{} while writing, {} while starting", self.kills_writing, self.kills_starting),
            ),
            ("writers, flushes", format!("{}, {}", self.writers, self.flushes)),
            ("writes acked", format!("{} ({} rows)", self.writes_acked, self.rows_acked)),
            ("create, drop acked", self.ddl_acked.to_string()),
            ("writes unknown", self.writes_unknown.to_string()),
            ("reads, rows scanned", format!("{}, {}", self.reads, self.rows_scanned)),
            ("rows at the end", self.rows_at_end.to_string()),
            ("lost", f.lost.to_string()),
            ("resurrected", f.resurrected.to_string()),
            ("torn", f.torn.to_string()),
            ("duplicates", f.duplicates.to_string()),
            ("phantom", f.phantom.to_string()),
            ("disagreeing", f.disagreeing.to_string()),
            (
                "first right answer",
                format!("median {:.0} ms, worst {:.0} ms", self.recovery_median_ms, self.recovery_worst_ms),
            ),
            ("took", format!("{:.0} s, seed {}", self.seconds, self.seed)),
        ];
        println!();
        for (name, value) in rows {
            println!("{name:<20} {value}");
        }
        for error in self.other_errors.iter().take(3) {
            println!("? of {} other errors: {error}", self.other_errors.len());
        }
        for example in &f.examples {
            println!("! {example}");
        }
        if let Some(trouble) = &self.trouble {
            println!("! {trouble}");
        }
    }

    /// The file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Trouble> {
        let text = serde_json::to_string_pretty(self).map_err(|e| e.to_string())?;
        std::fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))
    }
}
