//! The actix shell: it hands each message to its task on the main runtime and is free for the next.

use crate::client::CoordinatorClient;
use crate::messages::*;
use crate::metastore::Metastore;
use crate::tasks::Ddl;
use actix::{Actor, Context, Handler};
use std::sync::Arc;
use tokio::runtime::Handle;
use vecraft_rpc::services::ShardAdmin;
use vecraft_runtime::actors::{ActorHost, ActorHostError, Answer, Asked, RolePolicy};
use vecraft_runtime::shutdown::Shutdown;
use vecraft_runtime::tasks::{TaskKind, Tasks};
use vecraft_types::{CollectionId, Result};

/// The coordinator's actor. It has no state of its own: everything is in the metastore, so a new life goes on
/// where the old one stopped.
pub struct Coordinator {
    ddl: Arc<Ddl>,
    runtime: Handle,
}

impl Coordinator {
    /// Starts the actor, and the task that finishes what an earlier coordinator left in the middle.
    ///
    /// # Errors
    /// When the actor's thread cannot be started.
    pub async fn start(
        host: &ActorHost,
        tasks: &Tasks,
        shutdown: Shutdown,
        metastore: Metastore,
        shards: Arc<dyn ShardAdmin>,
    ) -> std::result::Result<CoordinatorClient, ActorHostError> {
        let ddl = Arc::new(Ddl::new(metastore, shards));
        let runtime = host.runtime().clone();
        let role = host
            .start("coordinator", RolePolicy::default(), {
                let ddl = ddl.clone();
                move || Coordinator { ddl: ddl.clone(), runtime: runtime.clone() }
            })
            .await?;
        tasks.spawn(TaskKind::Plan, "coordinator", async move { ddl.reconcile(shutdown).await });
        Ok(CoordinatorClient::new(role))
    }
}

impl Actor for Coordinator {
    type Context = Context<Self>;
}

macro_rules! handlers {
    ($($message:ident -> $reply:ty => $task:ident;)*) => {$(
        impl Handler<Asked<$message>> for Coordinator {
            type Result = Answer<Result<$reply>>;

            fn handle(&mut self, asked: Asked<$message>, _: &mut Context<Self>) -> Self::Result {
                let ddl = self.ddl.clone();
                asked.answer_on(&self.runtime, |message| async move { ddl.$task(message.0).await })
            }
        }
    )*};
}

handlers! {
    CreateCollection -> () => make_collection;
    CreatePartition -> () => make_partition;
    CreateIndex -> () => make_index;
    SetLoaded -> () => set_loaded;
    AllocateIds -> i64 => allocate_ids;
    HolderOf -> Option<CollectionId> => find;
    DropExactly -> () => drop_exactly;
}
