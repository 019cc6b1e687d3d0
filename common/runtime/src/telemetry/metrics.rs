//! A node's metrics and the text that Prometheus reads.

use super::figures::{Figures, Sources};
use opentelemetry::metrics::{Histogram, Meter, MeterProvider};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};

/// Bounds of latency buckets in seconds: 100 us to 10 s, finest where a search or an insert usually is.
const LATENCY_BOUNDS_S: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Metrics could not be set up or read.
#[derive(Debug, thiserror::Error)]
#[error("metrics: {0}")]
pub struct MetricsError(String);

/// The metrics of one node. Clones are the same.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    provider: SdkMeterProvider,
    sources: Sources,
}

impl Metrics {
    /// An empty set. Several nodes in one process have one each.
    ///
    /// # Errors
    /// When the exporter cannot be registered.
    pub fn new() -> Result<Self, MetricsError> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .without_scope_info()
            .without_target_info()
            .build()
            .map_err(|error| MetricsError(error.to_string()))?;
        let provider = SdkMeterProvider::builder().with_reader(exporter).build();
        let failed = |error: prometheus::Error| MetricsError(error.to_string());
        let sources = Sources::new().map_err(failed)?;
        registry.register(Box::new(sources.clone())).map_err(failed)?;
        Ok(Self { registry, provider, sources })
    }

    /// Asks `source` for its figures at each reading. It must not block, and lives as long as these metrics.
    pub fn observe(&self, source: impl Fn(&mut Figures) + Send + Sync + 'static) {
        self.sources.add(source);
    }

    /// Where instruments are made, for the part of the node called `name`.
    pub fn meter(&self, name: &'static str) -> Meter {
        self.provider.meter(name)
    }

    /// A histogram of durations in seconds with bounds that suit requests. By Prometheus's convention the
    /// name ends in `_seconds`.
    pub fn latency_histogram(
        &self,
        meter: &'static str,
        name: &'static str,
        description: &'static str,
    ) -> Histogram<f64> {
        self.meter(meter)
            .f64_histogram(name)
            .with_description(description)
            .with_boundaries(LATENCY_BOUNDS_S.to_vec())
            .build()
    }

    /// Collects everything and writes it in Prometheus's text format.
    ///
    /// # Errors
    /// When a metric cannot be written as text.
    pub fn render(&self) -> Result<String, MetricsError> {
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .map_err(|error| MetricsError(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use opentelemetry::KeyValue;

    #[test]
    fn what_was_counted_is_in_the_text() {
        let metrics = Metrics::new().unwrap();
        assert_eq!(metrics.render().unwrap(), "");
        let rows = metrics.meter("test").u64_counter("vecraft_rows_inserted").build();
        rows.add(3, &[KeyValue::new("collection", "docs")]);
        let took = metrics.latency_histogram("test", "vecraft_search_seconds", "a search");
        took.record(0.002, &[]);
        let text = metrics.render().unwrap();
        assert!(text.contains(r#"vecraft_rows_inserted_total{collection="docs"} 3"#), "{text}");
        assert!(text.contains(r#"vecraft_search_seconds_bucket{le="0.0025"} 1"#), "{text}");
        assert!(text.contains(r#"vecraft_search_seconds_bucket{le="0.001"} 0"#), "{text}");
    }

    #[test]
    fn figures_are_read_when_they_are_asked_for() {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicU64, Ordering};
        let (metrics, bytes) = (Metrics::new().unwrap(), Arc::new(AtomicU64::new(7)));
        let held = bytes.clone();
        metrics.observe(move |figures| {
            figures.gauge("held_bytes", "what is held", &[("dir", "a")], held.load(Ordering::Relaxed));
            figures.gauge("held_bytes", "what is held", &[("dir", "b")], true);
        });
        metrics.observe(|figures| {
            figures.counter("took_seconds_total", "time taken", &[], std::time::Duration::from_millis(1_500));
            figures.gauge("not a name", "refused, and the others are told all the same", &[], 1u32);
        });
        let expected = "# HELP held_bytes what is held\n# TYPE held_bytes gauge\n\
                        held_bytes{dir=\"a\"} 7\nheld_bytes{dir=\"b\"} 1\n\
                        # HELP took_seconds_total time taken\n# TYPE took_seconds_total counter\n\
                        took_seconds_total 1.5\n";
        assert_eq!(metrics.render().unwrap(), expected);
        bytes.store(8, Ordering::Relaxed);
        assert!(metrics.render().unwrap().contains("held_bytes{dir=\"a\"} 8\n"));
    }

    #[test]
    fn two_nodes_in_one_process_do_not_share() {
        let (one, other) = (Metrics::new().unwrap(), Metrics::new().unwrap());
        one.meter("test").u64_counter("only_one").build().add(1, &[]);
        assert!(one.render().unwrap().contains("only_one_total 1"));
        assert!(!other.render().unwrap().contains("only_one"));
    }
}
