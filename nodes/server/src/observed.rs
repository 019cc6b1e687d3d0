//! What `/metrics` and `/healthz` look at.

use crate::catching_up::CatchingUp;
use crate::directory::Directory;
use crate::metrics::{About, Parts};
use crate::roles::Roles;
use vecraft_config::Config;
use vecraft_gateway::Health;
use vecraft_log_store::LogHealth;

/// What `/metrics` asks.
pub fn parts_of(config: &Config, directory: &Directory, roles: &Roles) -> Parts {
    let identity = directory.identity();
    let about = About {
        cluster: config.cluster.name.clone(),
        cluster_id: identity.cluster_id_text(),
        node: identity.node.to_string(),
        replication: usize::try_from(config.cluster.replication).unwrap_or(usize::MAX),
    };
    Parts {
        about,
        disk: directory.disk.clone(),
        log: directory.log.clone(),
        metastore: roles.metastore.clone(),
        data: roles.data.clone(),
        query: roles.query.clone(),
        index: roles.index.clone(),
        proxy: roles.proxy.clone(),
        hops: roles.hops.clone(),
    }
}

/// What `/healthz` looks at: the log, groups that still lack something, and shards with damaged files. A node that others
/// can do without for a while, because it cannot answer, is unhealthy; one that answers and lacks something is degraded.
pub fn health_of(
    directory: &Directory,
    roles: &Roles,
    catching_up: CatchingUp,
) -> impl Fn() -> Health + Send + Sync + 'static {
    let (log, query, data) = (directory.log.clone(), roles.query.clone(), roles.data.clone());
    move || {
        let (mut down, mut lacking) = match log.health() {
            LogHealth::Serving => (Vec::new(), Vec::new()),
            LogHealth::Stalled => (Vec::new(), vec!["the disk is full: writes wait, reads go on".to_owned()]),
            LogHealth::Failed { reason } => (vec![format!("the log failed: {reason}")], Vec::new()),
        };
        down.extend(catching_up.reason());
        lacking.extend(data.refusals().into_iter().map(|why| format!("inserts are refused: {why}")));
        for (group, why) in data.outages() {
            lacking.push(format!("group {group} is out of service: {why}"));
        }
        for (shard, why) in query.report().out_of_service {
            lacking.push(format!("shard {shard} is out of service: {why}"));
        }
        judged(down, lacking)
    }
}

/// Of what keeps it from answering, and of what it lacks.
fn judged(down: Vec<String>, lacking: Vec<String>) -> Health {
    match (down.is_empty(), lacking.is_empty()) {
        (true, true) => Health::Healthy,
        (true, false) => Health::Degraded(lacking),
        (false, _) => Health::Unhealthy([down, lacking].concat()),
    }
}
