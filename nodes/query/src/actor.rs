//! The role's life cycle. Reads do not pass here.

use crate::messages::{Drain, Report, RoleReport};
use crate::node::QueryNode;
use actix::{Actor, Context, Handler};
use std::sync::Arc;
use tokio::runtime::Handle;
use vecraft_runtime::actors::{Answer, Asked};

/// Opens the gate when it starts and closes it when it ends, so that a role that the guardian gave up refuses reads
/// instead of serving them unwatched.
pub struct QueryActor {
    node: Arc<QueryNode>,
    runtime: Handle,
}

impl QueryActor {
    /// The shell of `node`; waiting is done on `runtime`.
    pub fn new(node: Arc<QueryNode>, runtime: Handle) -> QueryActor {
        QueryActor { node, runtime }
    }
}

impl Actor for QueryActor {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Context<Self>) {
        self.node.gate().open();
    }
}

impl Drop for QueryActor {
    fn drop(&mut self) {
        self.node.gate().close();
    }
}

impl Handler<Asked<Drain>> for QueryActor {
    type Result = Answer<()>;

    fn handle(&mut self, asked: Asked<Drain>, _: &mut Context<Self>) -> Answer<()> {
        self.node.gate().drain();
        let node = self.node.clone();
        asked.answer_while_wanted(&self.runtime, |Drain| async move { node.gate().idle().await })
    }
}

impl Handler<Asked<Report>> for QueryActor {
    type Result = Answer<RoleReport>;

    fn handle(&mut self, asked: Asked<Report>, _: &mut Context<Self>) -> Answer<RoleReport> {
        let node = self.node.clone();
        asked.answer(|Report| node.report())
    }
}
