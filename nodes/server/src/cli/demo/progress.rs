//! How far loading is: a bar on a terminal, a plain line now and then elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;

/// Lines written where there is no terminal.
const LINES: usize = 5;

/// Shows how many of a known number of rows are done. On standard error, so that the answers can be piped.
pub struct Progress {
    rows: usize,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub fn new(rows: usize) -> Progress {
        let template = "inserting {bar:40} {human_pos} of {human_len} passages, {eta} left";
        // A template that does not parse would only cost the look.
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = std::io::stderr().is_terminal().then(|| ProgressBar::new(rows as u64).with_style(style));
        Progress { rows, bar }
    }

    /// So many rows are done.
    pub fn reached(&self, done: usize) {
        match &self.bar {
            Some(bar) => bar.set_position(done as u64),
            None if done == self.rows || done.is_multiple_of((self.rows / LINES).max(1)) => {
                eprintln!("inserted {done} of {} passages", self.rows);
            }
            None => {}
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
