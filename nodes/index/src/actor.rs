//! The role's life cycle: an actor whose life is that of the loop.

use crate::messages::{Drain, IndexReport, Report};
use crate::node::IndexNode;
use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, fut::wrap_future};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use vecraft_runtime::actors::{Answer, Asked};
use vecraft_runtime::shutdown::Shutdown;

/// How long a drain waits for the batch under way.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Runs the node's loop on the main runtime while it lives. A panic of the loop becomes the actor's, so that the
/// guardian brings both back.
pub struct IndexActor {
    node: Arc<IndexNode>,
    runtime: Handle,
    stop: Shutdown,
}

impl IndexActor {
    /// The shell of `node`; its loop runs on `runtime` until `stop` is triggered or the actor ends.
    pub fn new(node: Arc<IndexNode>, runtime: Handle, stop: &Shutdown) -> IndexActor {
        IndexActor { node, runtime, stop: stop.child() }
    }
}

impl Actor for IndexActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        let (node, stop) = (self.node.clone(), self.stop.clone());
        let under_way = stop.guard("index loop");
        let running = self.runtime.spawn(async move {
            let _under_way = under_way;
            node.run(&stop).await;
        });
        let watching = wrap_future::<_, Self>(running).map(|ended, _, _| {
            if let Err(error) = ended
                && let Ok(panic) = error.try_into_panic()
            {
                std::panic::resume_unwind(panic);
            }
        });
        context.spawn(watching);
    }
}

impl Drop for IndexActor {
    fn drop(&mut self) {
        self.stop.trigger("the index actor ended");
    }
}

impl Handler<Asked<Drain>> for IndexActor {
    type Result = Answer<()>;

    fn handle(&mut self, asked: Asked<Drain>, _: &mut Context<Self>) -> Answer<()> {
        let stop = self.stop.clone();
        asked.answer_on(&self.runtime, |Drain| async move {
            if let Err(error) = stop.drain("the index role is drained", DRAIN_MAX).await {
                tracing::warn!(%error, "an index build did not end in time");
            }
        })
    }
}

impl Handler<Asked<Report>> for IndexActor {
    type Result = Answer<IndexReport>;

    fn handle(&mut self, asked: Asked<Report>, _: &mut Context<Self>) -> Answer<IndexReport> {
        let node = self.node.clone();
        asked.answer(|Report| node.report())
    }
}
