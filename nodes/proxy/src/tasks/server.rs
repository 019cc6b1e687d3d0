//! What the server says about itself and its nodes.

use crate::Proxy;
use crate::deadline::{Ask, is_unavailable};
use crate::names::check_database;
use std::sync::atomic::Ordering;
use vecraft_types::api::{Call, ClusterReply, ClusterRequest, ServerInfo};
use vecraft_types::{GroupId, Result, Timestamp};

impl Proxy {
    pub(crate) async fn about(&self, call: Call) -> Result<ServerInfo> {
        check_database(&call)?;
        // A node that cannot reach its metastore can serve neither writes nor DDL, so it does not call itself healthy.
        let barrier = self.deadline(&call).run("asking the metastore", self.catalogue.barrier()).await;
        let reasons: Vec<String> = barrier.err().map(|error| error.to_string()).into_iter().collect();
        Ok(ServerInfo {
            version: self.identity.version.clone(),
            cluster_id: self.identity.cluster_id.clone(),
            cluster_name: self.identity.cluster_name.clone(),
            is_healthy: reasons.is_empty(),
            reasons,
            now: self.now(),
        })
    }

    /// An operator's verb, at whoever leads the metastore. Each says how things should be, so asking again is no harm.
    pub(crate) async fn nodes(&self, call: Call, request: ClusterRequest) -> Result<ClusterReply> {
        let asking = match &request {
            ClusterRequest::List => Ask::leader("asking the coordinator", GroupId::META),
            _ => Ask::ddl("the change of nodes"),
        };
        let ask = || self.cluster.cluster(request.clone());
        self.deadline(&call).retry(asking, is_unavailable, ask).await
    }

    /// A hybrid timestamp later than any this proxy gave before.
    pub(super) fn now(&self) -> Timestamp {
        let wall = Timestamp::from_millis(self.clock.now_ms()).0;
        let last =
            self.last_now.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(wall.max(last + 1)));
        Timestamp(wall.max(last.unwrap_or(0) + 1))
    }
}
