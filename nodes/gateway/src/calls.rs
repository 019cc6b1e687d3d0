//! How many calls of each kind there were, how they ended and how long they took.
//!
//! Under Milvus's names, so that its dashboards find them: `milvus_proxy_req_count` and `milvus_proxy_req_latency`
//! (milliseconds). Kept here and not in the process's telemetry, so that a doorkeeper knows one library less.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt::Write;
use tokio::time::Instant;

/// Upper bounds of the latency buckets, in milliseconds.
const BOUNDS_MS: [f64; 12] = [0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 25.0, 100.0, 250.0, 1_000.0, 5_000.0, 30_000.0];

/// Counts the calls of a gateway. Given to it in [`crate::Options`], rendered by whoever serves `/metrics`.
#[derive(Debug, Default)]
pub struct CallStats {
    calls: Mutex<BTreeMap<&'static str, Calls>>,
}

#[derive(Debug, Default)]
struct Calls {
    /// By [`End`].
    ends: [u64; 3],
    /// Calls of at most the bound's milliseconds and more than the bound's before.
    buckets: [u64; BOUNDS_MS.len()],
    sum_ms: f64,
}

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Success,
    Fail,
    /// The caller left before.
    Abandon,
}

/// A call under way. Dropped without [`RunningCall::end`], it counts as abandoned.
pub(crate) struct RunningCall<'a> {
    stats: &'a CallStats,
    name: &'static str,
    began: Instant,
    end: End,
}

impl CallStats {
    /// A call begins. `request` is the name of its message: the call's name and `Request`.
    pub(crate) fn begin(&self, request: &'static str) -> RunningCall<'_> {
        let name = request.strip_suffix("Request").unwrap_or(request);
        RunningCall { stats: self, name, began: Instant::now(), end: End::Abandon }
    }

    /// All figures in Prometheus's text format.
    pub fn render(&self) -> String {
        let calls = self.calls.lock();
        let mut text = String::new();
        if calls.is_empty() {
            return text;
        }
        text.push_str("# HELP milvus_proxy_req_count calls by name and how they ended\n");
        text.push_str("# TYPE milvus_proxy_req_count counter\n");
        for (name, calls) in calls.iter() {
            for (status, count) in ["success", "fail", "abandon"].iter().zip(calls.ends) {
                line(
                    &mut text,
                    "req_count",
                    &format!("function_name=\"{name}\",status=\"{status}\""),
                    count as f64,
                );
            }
        }
        text.push_str("# HELP milvus_proxy_req_latency how long calls took, in milliseconds\n");
        text.push_str("# TYPE milvus_proxy_req_latency histogram\n");
        for (name, calls) in calls.iter() {
            let mut below = 0;
            for (bound, count) in BOUNDS_MS.iter().zip(calls.buckets) {
                below += count;
                let labels = format!("function_name=\"{name}\",le=\"{bound}\"");
                line(&mut text, "req_latency_bucket", &labels, below as f64);
            }
            let total = calls.ends.iter().sum::<u64>() as f64;
            line(&mut text, "req_latency_bucket", &format!("function_name=\"{name}\",le=\"+Inf\""), total);
            line(&mut text, "req_latency_sum", &format!("function_name=\"{name}\""), calls.sum_ms);
            line(&mut text, "req_latency_count", &format!("function_name=\"{name}\""), total);
        }
        text
    }
}

fn line(text: &mut String, metric: &str, labels: &str, value: f64) {
    // Writing to a string cannot fail.
    _ = writeln!(text, "milvus_proxy_{metric}{{{labels}}} {value}");
}

impl RunningCall<'_> {
    /// The call has an answer.
    pub fn end(mut self, is_success: bool) {
        self.end = if is_success { End::Success } else { End::Fail };
    }
}

impl Drop for RunningCall<'_> {
    fn drop(&mut self) {
        let took_ms = self.began.elapsed().as_secs_f64() * 1_000.0;
        let mut calls = self.stats.calls.lock();
        let calls = calls.entry(self.name).or_default();
        calls.ends[self.end as usize] += 1;
        calls.sum_ms += took_ms;
        if let Some(at) = BOUNDS_MS.iter().position(|bound| took_ms <= *bound) {
            calls.buckets[at] += 1;
        }
    }
}
