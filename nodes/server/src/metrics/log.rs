//! The write-ahead log.

use vecraft_log_store::LogMetrics;
use vecraft_runtime::telemetry::Figures;

pub fn tell(figures: &mut Figures, log: &LogMetrics) {
    let mut gauge = |name, help, value: u64| figures.gauge(name, help, &[], value);
    gauge("vecraft_log_files", "files of the write-ahead log", log.segments as u64);
    gauge("vecraft_log_file_bytes", "bytes in them, reservations not counted", log.file_bytes);
    gauge("vecraft_log_live_bytes", "bytes of entries that a restart still needs", log.live_bytes);
    gauge("vecraft_log_reserve_files", "files kept for a full disk", log.reserve_segments as u64);
    gauge("vecraft_log_queue_bytes", "bytes that wait for the writer", log.queue_bytes as u64);
    gauge("vecraft_log_cache_bytes", "bytes of recent entries in memory", log.cache_bytes as u64);
    let mut counter = |name, help, value: u64| figures.counter(name, help, &[], value);
    counter("vecraft_log_batches_total", "batches written", log.batches);
    counter("vecraft_log_syncs_total", "syncs of the log's files", log.syncs);
    counter("vecraft_log_written_bytes_total", "bytes written", log.bytes_written);
    let help = "how long the last batch took, its sync included";
    figures.gauge("vecraft_log_last_batch_seconds", help, &[], log.last_batch);
    let help = "how long the batch under way has taken so far; 0 when none is";
    figures.gauge("vecraft_log_batch_under_way_seconds", help, &[], log.batch_under_way);
}
