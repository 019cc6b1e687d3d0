//! Somebody who reads at Eventually all the time, and notes whether that ever failed or took long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;
use vecraft_client::Client;
use vecraft_runtime::clock::{Clock, SystemClock};
use vecraft_types::Metric;
use vecraft_types::api::Consistency;

/// Between an answer and the next search: a reader beside the writer, not instead of it.
const PAUSE: Duration = Duration::from_millis(10);

/// What became of the reads.
#[derive(Default)]
pub struct Seen {
    pub answered: u64,
    pub failed: u64,
    pub longest: Duration,
    pub first_failure: Option<String>,
}

/// The reader. Dropped without [`Reads::stop`], it ends after its next answer.
pub struct Reads {
    is_over: Arc<AtomicBool>,
    task: JoinHandle<Seen>,
}

impl Reads {
    /// Begins to search for this vector's neighbours.
    pub fn start(client: &Client, collection: &str, vector: Vec<f32>) -> Reads {
        let is_over = Arc::new(AtomicBool::new(false));
        let (collection, until) = (client.collection(collection), is_over.clone());
        let task = tokio::spawn(async move {
            let (clock, mut seen) = (SystemClock::new(), Seen::default());
            while !until.load(Ordering::Relaxed) {
                let began = clock.monotonic();
                let search = collection.search(&vector).metric(Metric::L2).limit(10);
                let answer = search.consistency(Consistency::Eventually).one().await;
                seen.longest = seen.longest.max(clock.monotonic() - began);
                match answer {
                    Ok(hits) if hits.len() == 10 => seen.answered += 1,
                    Ok(hits) => seen.fails(format!("{} hits instead of 10", hits.len())),
                    Err(error) => seen.fails(error.to_string()),
                }
                tokio::time::sleep(PAUSE).await;
            }
            seen
        });
        Reads { is_over, task }
    }

    /// Ends it, and tells.
    pub async fn stop(mut self) -> Seen {
        self.is_over.store(true, Ordering::Relaxed);
        let ended = (&mut self.task).await;
        ended.unwrap_or_else(|error| {
            let mut seen = Seen::default();
            seen.fails(error.to_string());
            seen
        })
    }
}

impl Seen {
    fn fails(&mut self, why: String) {
        self.failed += 1;
        self.first_failure.get_or_insert(why);
    }
}

impl Drop for Reads {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}
