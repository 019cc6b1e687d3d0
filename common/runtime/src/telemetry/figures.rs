//! Figures that somebody holds anyway, read at the moment `/metrics` is asked for.
//!
//! An instrument is for what happens (a call took so long); this is for what is (so many bytes wait). Nothing is
//! counted twice and nothing runs in between (P11).

use parking_lot::RwLock;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge, Opts};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Labels of a figure: name and value.
pub type Labels<'a> = &'a [(&'static str, &'a str)];

/// What is told at one reading. Names follow Prometheus's convention: the unit at the end (`_bytes`, `_seconds`),
/// `_total` for what only grows.
#[derive(Default)]
pub struct Figures(Vec<MetricFamily>);

impl Figures {
    /// Something that goes up and down.
    pub fn gauge(&mut self, name: &'static str, help: &'static str, labels: Labels<'_>, value: impl Figure) {
        let gauge = Gauge::with_opts(options(name, help, labels));
        self.take(name, gauge.inspect(|gauge| gauge.set(value.figure())));
    }

    /// Something that only grows while the process lives. `name` ends in `_total`.
    pub fn counter(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: Labels<'_>,
        value: impl Figure,
    ) {
        let counter = Counter::with_opts(options(name, help, labels));
        // It starts at 0 and takes no negative step.
        self.take(name, counter.inspect(|counter| counter.inc_by(value.figure().max(0.0))));
    }

    fn take(&mut self, name: &'static str, made: prometheus::Result<impl Collector>) {
        match made {
            Ok(made) => self.0.extend(made.collect()),
            Err(error) => tracing::error!(name, %error, "not a name of a metric"),
        }
    }
}

fn options(name: &str, help: &str, labels: Labels<'_>) -> Opts {
    let labels: HashMap<String, String> =
        labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Opts::new(name, help).const_labels(labels)
}

/// A number of any kind.
pub trait Figure {
    /// As Prometheus takes it; durations in seconds, truth as 1.
    fn figure(self) -> f64;
}

macro_rules! figure {
    ($($number:ty)+) => {
        $(impl Figure for $number {
            fn figure(self) -> f64 {
                self as f64
            }
        })+
    };
}
figure!(u32 u64 usize f64);

impl Figure for bool {
    fn figure(self) -> f64 {
        f64::from(u8::from(self))
    }
}

impl Figure for Duration {
    fn figure(self) -> f64 {
        self.as_secs_f64()
    }
}

type Source = Box<dyn Fn(&mut Figures) + Send + Sync>;

/// Everybody who has figures to tell. Clones are the same.
#[derive(Clone)]
pub(super) struct Sources {
    told: Arc<RwLock<Vec<Source>>>,
    /// Names us in the registry, which knows its collectors by what they describe.
    ours: Desc,
}

impl Sources {
    pub(super) fn new() -> prometheus::Result<Sources> {
        let ours = Desc::new("vecraft_figures".into(), "figures".into(), Vec::new(), HashMap::new())?;
        Ok(Sources { told: Arc::default(), ours })
    }

    pub(super) fn add(&self, source: impl Fn(&mut Figures) + Send + Sync + 'static) {
        self.told.write().push(Box::new(source));
    }
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} sources of figures", self.told.read().len())
    }
}

impl Collector for Sources {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.ours]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut figures = Figures::default();
        self.told.read().iter().for_each(|tell| tell(&mut figures));
        figures.0
    }
}
