//! `vecraft demo --nodes 3`: the same passages on a cluster of processes, then the death of leaders under inserts.
//!
//! Everything is real: processes of this program, a cluster.toml, SIGKILL.

mod failover;
mod nodes;
mod reads;

use super::data::DemoData;
use super::{Demo, next, say, unless_stopped};
use nodes::Nodes;
use std::path::Path;
use vecraft_client::Client;
use vecraft_runtime::signals::TerminationSignals;

/// How many nodes a cluster may have: what the configuration allows. More would only share the machine's cores.
pub const NODES: [&str; 3] = ["1", "3", "5"];

impl Demo {
    /// Starts the nodes, shows the passages, kills leaders.
    pub async fn on_a_cluster(
        &self,
        count: u64,
        data: &DemoData,
        directory: &Path,
        signals: &mut TerminationSignals,
    ) -> Result<(), String> {
        let mut nodes = Nodes::start(count, directory, self.keep).await?;
        let outcome = unless_stopped(self.show_cluster(&mut nodes, data), signals).await;
        if outcome.is_ok() && self.keep {
            say(&format!(
                "\nThe nodes serve until Ctrl-C. Each is a door to everything:\n{}\n{}",
                nodes.doors(),
                next::python(&nodes.uris()[0])
            ))?;
            signals.next().await;
        }
        nodes.stop().await;
        outcome
    }

    async fn show_cluster(&self, nodes: &mut Nodes, data: &DemoData) -> Result<(), String> {
        say(&format!("{} nodes serve: {}\n", nodes.count(), nodes.uris().join(" ")))?;
        let mut options = Client::builder();
        for address in nodes.client_addresses() {
            options = options.address(address);
        }
        let client = options.connect().await.map_err(|e| e.to_string())?;
        self.tour(&client, data).await?;
        failover::show(nodes, &client, self.kills).await
    }
}
