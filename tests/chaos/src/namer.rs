//! Beside the writers: collections made and dropped, so that kills meet DDL too (I11).
//!
//! Each name is made once and dropped at most once. A create or drop that was cut off may be finished by the next
//! server at any time, so such a name is allowed to exist or not for ever.

use crate::checker::{Findings, check_key};
use crate::ledger::{Ledger, Seen};
use crate::row::{COLLECTION, schema};
use crate::writer::End;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::time::Duration;
use vecraft_client::Client;
use vecraft_client::types::Result;
use vecraft_client::types::api::{Call, Database};

/// Live collections at once.
const LIVE_MAX: usize = 20;
/// The pause between two changes: this is a companion of the writers, not their competitor.
const PAUSE: Duration = Duration::from_millis(15);

/// Makes and drops collections.
pub struct Namer {
    random: StdRng,
    next: i64,
    /// What it did; a name's number is its key, "exists" is version 1.
    pub ledger: Ledger,
}

impl Namer {
    /// One that has done nothing.
    pub fn new(seed: u64) -> Namer {
        Namer { random: StdRng::seed_from_u64(!seed), next: 0, ledger: Ledger::default() }
    }

    /// Works until a call fails.
    pub async fn work(&mut self, client: Client) -> End {
        loop {
            if let Err(error) = self.change(&client).await {
                return match error.is_input_error() {
                    true => End::Refused(error),
                    false => End::Failed(error),
                };
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn change(&mut self, client: &Client) -> Result<()> {
        let live: Vec<i64> =
            self.ledger.keys.iter().filter(|(_, k)| k.is_live() && !k.is_retired).map(|(n, _)| *n).collect();
        let is_drop = !live.is_empty() && (live.len() >= LIVE_MAX || self.random.random_bool(0.4));
        let (number, after) = match is_drop {
            true => (live[self.random.random_range(0..live.len())], Seen::Absent),
            false => {
                self.next += 1;
                (self.next, Seen::Version(1))
            }
        };
        let write = self.ledger.begin(&[(number, after)]);
        let done = match is_drop {
            true => client.collection(name(number)).drop().await,
            false => client.create(name(number), schema()).await.map(|_| ()),
        };
        match done {
            Ok(()) => self.ledger.acked(write),
            Err(_) => self.ledger.unknown(write),
        }
        done
    }

    /// Compares the catalogue with what was acknowledged.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn check(&self, client: &Client, findings: &mut Findings) -> Result<()> {
        let mut seen = BTreeMap::new();
        for collection in client.list_collections(Call::default()).await? {
            if collection.name == COLLECTION {
                continue;
            }
            match number(&collection.name).filter(|n| self.ledger.keys.contains_key(n)) {
                Some(number) if seen.insert(number, Seen::Version(1)).is_none() => {}
                _ => findings.disagrees(format!("the catalogue has {:?}, unknown or twice", collection.name)),
            }
        }
        for (number, key) in &self.ledger.keys {
            check_key(*number, key, seen.get(number).copied().unwrap_or(Seen::Absent), findings);
        }
        Ok(())
    }
}

fn name(number: i64) -> String {
    format!("ddl_{number}")
}

fn number(name: &str) -> Option<i64> {
    name.strip_prefix("ddl_")?.parse().ok()
}
