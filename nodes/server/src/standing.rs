//! What the health door says of a node: for what it waits while it starts, and how its roles are once it serves.
//!
//! The door is open from the first moment, because a start may wait for other nodes, or for a person, as long as it takes:
//! whoever asks meanwhile hears why. This module does *not* judge whether a role is well; it is given what does.

use parking_lot::Mutex;
use std::sync::Arc;
use vecraft_gateway::Health;

type AskHealth = Arc<dyn Fn() -> Health + Send + Sync>;
type AskMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// See the [module](self).
#[derive(Clone)]
pub struct Standing(Arc<Mutex<Stage>>);

#[derive(Clone)]
enum Stage {
    Starting(String),
    Serving(AskHealth, AskMetrics),
}

impl Default for Standing {
    fn default() -> Standing {
        Standing(Arc::new(Mutex::new(Stage::Starting("this node is starting".to_owned()))))
    }
}

impl Standing {
    /// Says for what a start waits.
    pub fn waits(&self, why: impl Into<String>) {
        *self.0.lock() = Stage::Starting(why.into());
    }

    /// The node serves; from now on these answer.
    pub fn serves(
        &self,
        health: impl Fn() -> Health + Send + Sync + 'static,
        metrics: impl Fn() -> String + Send + Sync + 'static,
    ) {
        *self.0.lock() = Stage::Serving(Arc::new(health), Arc::new(metrics));
    }

    /// What `/healthz` says.
    pub fn health(&self) -> Health {
        match self.stage() {
            Stage::Starting(why) => Health::Unhealthy(vec![why]),
            Stage::Serving(health, _) => health(),
        }
    }

    /// Why it does not serve, or not well; empty when it is well.
    pub fn reasons(&self) -> Vec<String> {
        match self.health() {
            Health::Healthy => Vec::new(),
            Health::Degraded(reasons) | Health::Unhealthy(reasons) => reasons,
        }
    }

    /// What `/metrics` says: nothing before there are roles to ask.
    pub fn metrics(&self) -> String {
        match self.stage() {
            Stage::Starting(_) => "# this node is starting\n".to_owned(),
            Stage::Serving(_, metrics) => metrics(),
        }
    }

    /// What answers is asked without the lock.
    fn stage(&self) -> Stage {
        self.0.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_for_what_it_waits_until_its_roles_answer() {
        let standing = Standing::default();
        let unwell = |why: &str| Health::Unhealthy(vec![why.to_owned()]);
        assert_eq!(standing.health(), unwell("this node is starting"));
        standing.waits("waiting for node 2 to start");
        assert_eq!(standing.health(), unwell("waiting for node 2 to start"));
        assert!(standing.metrics().starts_with('#'));
        standing.serves(|| Health::Healthy, || "figures".to_owned());
        assert_eq!((standing.health(), standing.metrics()), (Health::Healthy, "figures".to_owned()));
    }
}
