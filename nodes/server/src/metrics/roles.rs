//! Requests, reads and index builds.

use crate::ways::ShardHops;
use vecraft_index_node::IndexReport;
use vecraft_query::RoleReport;
use vecraft_runtime::telemetry::Figures;

pub fn requests(figures: &mut Figures, in_flight_bytes: usize) {
    let help = "bytes of requests that are worked on";
    figures.gauge("vecraft_request_in_flight_bytes", help, &[], in_flight_bytes);
}

pub fn hops(figures: &mut Figures, hops: &ShardHops) {
    let help = "calls on shards, by where they were answered: on this node, or on another for one hop more";
    for (kind, hops) in [("write", &hops.writes), ("read", &hops.reads)] {
        for (place, count) in [("here", hops.here()), ("elsewhere", hops.elsewhere())] {
            figures.counter("vecraft_shard_calls_total", help, &[("kind", kind), ("place", place)], count);
        }
    }
}

pub fn query(figures: &mut Figures, reads: &RoleReport) {
    let waiting = reads.under_way.saturating_sub(reads.running);
    figures.gauge("vecraft_reads_running", "reads that a thread works on", &[], reads.running);
    let help = "reads that wait for a position in the log or for a thread";
    figures.gauge("vecraft_reads_waiting", help, &[], waiting);
    figures.gauge("vecraft_reads_limit", "reads that may wait or run at once", &[], reads.places);
    let help = "reads turned away because too many waited, or the node was stopping";
    figures.counter("vecraft_reads_refused_total", help, &[], reads.refused);
    let help = "memory that reads hold for their answers";
    figures.gauge("vecraft_reads_answer_bytes", help, &[], reads.answer_bytes);
    let help = "shards with damaged files, which answer no more";
    figures.gauge("vecraft_shards_out_of_service", help, &[], reads.out_of_service.len());
}

pub fn index(figures: &mut Figures, index: &IndexReport) {
    let mut counter = |name, help, value| figures.counter(name, help, &[], value);
    counter("vecraft_index_built_total", "indexes built from vectors", index.built);
    counter("vecraft_index_opened_total", "indexes read from files of an earlier life", index.opened);
    counter("vecraft_index_fetched_total", "index files that came from other nodes", index.fetched);
    let help = "index files that no replica has any more, each built again";
    counter("vecraft_index_unusable_total", help, index.unusable);
    counter("vecraft_index_failed_total", "attempts that failed; they are repeated", index.failed);
    counter("vecraft_index_dropped_total", "index files removed because nobody wants them", index.dropped);
    counter("vecraft_scalar_index_built_total", "scalar indexes built from columns", index.scalars_built);
    let help = "scalar indexes read from files of an earlier life";
    counter("vecraft_scalar_index_opened_total", help, index.scalars_opened);
    let help = "files of scalar indexes removed because nobody wants them";
    counter("vecraft_scalar_index_dropped_total", help, index.scalars_dropped);
    figures.gauge("vecraft_scalar_index_attached", "scalar indexes in use", &[], index.scalars_attached);
    figures.gauge("vecraft_index_attached", "indexes in use", &[], index.attached);
    figures.gauge("vecraft_index_pending", "indexes still to be opened or built", &[], index.pending);
    let help = "indexes of those that memory has no room for; searches scan";
    figures.gauge("vecraft_index_waiting", help, &[], index.waiting);
    let help = "indexes that are used in their mapped files because memory is short";
    figures.gauge("vecraft_index_squeezed", help, &[], index.squeezed);
    let help = "indexes that the node of the group's leader is to build; searches scan";
    figures.gauge("vecraft_index_awaited", help, &[], index.awaited);
    let help = "graphs over rows that have no index yet";
    figures.gauge("vecraft_index_interim_graphs", help, &[], index.graphs);
    let (done, all) = index.building_rows;
    for (part, rows) in [("done", done), ("all", all)] {
        let help = "rows in the index that is being built, and all that it is to have";
        figures.gauge("vecraft_index_building_rows", help, &[("part", part)], rows);
    }
    let help = "seconds until it is built, about; 0 while none is, and before there is something to go by";
    let seconds = index.building_seconds_left.unwrap_or(0);
    figures.gauge("vecraft_index_building_seconds_left", help, &[], seconds);
    let help = "1 while an index is opened or built";
    figures.gauge("vecraft_index_working", help, &[], index.working_on.is_some());
}
