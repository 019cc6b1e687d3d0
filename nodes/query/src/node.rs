//! The read path.

use crate::explain::ReadTimes;
use crate::gate::Gate;
use crate::messages::RoleReport;
use crate::room::{AnswerMemory, AnswerRoom};
use crate::tasks::{query, search};
use crate::wanted::{Wanted, Watch};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use vecraft_rpc::services::{ReadBarrier, ShardHits, ShardQuery, ShardReader, ShardRows, ShardSearch};
use vecraft_runtime::clock::Clock;
use vecraft_runtime::pools::{Cancelled, CpuPool};
use vecraft_segment::{ShardView, ViewRegistry};
use vecraft_types::api::Consistency;
use vecraft_types::limits::REPLY_BYTES_MAX;
use vecraft_types::{Code, Error, NodeId, PartitionId, Result, ShardId, Timestamp};

/// Options of the query role, checked by `vecraft-config` before they come here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryConfig {
    /// Reads that wait or run at once; more are answered `rate limited`.
    pub reads_max: usize,
    /// What a refused caller is told to wait.
    pub retry_after: Duration,
    /// Hits that one search may gather (queries times limit, never more than there are rows). A hit takes about 32
    /// bytes, and nobody can use more in one answer.
    pub hits_max: usize,
    /// Memory that all reads together may hold for hits and rows, in bytes (I21).
    pub answer_bytes_max: u64,
    /// Bytes that the rows of one shard's answer may have.
    pub reply_bytes_max: u64,
}

impl Default for QueryConfig {
    /// 1,024 reads, 50 ms, 16 Mi hits, 1 GiB together, 256 MiB each.
    fn default() -> QueryConfig {
        QueryConfig {
            reads_max: 1_024,
            retry_after: Duration::from_millis(50),
            hits_max: 16 << 20,
            answer_bytes_max: 1 << 30,
            reply_bytes_max: REPLY_BYTES_MAX as u64,
        }
    }
}

/// What the role is made of.
#[derive(Clone)]
pub struct QueryParts {
    /// This node, as explanations name it.
    pub node: NodeId,
    /// The views that the data role publishes.
    pub views: Arc<ViewRegistry>,
    /// The data role, which owns the groups.
    pub barrier: Arc<dyn ReadBarrier>,
    /// Where exec runs.
    pub pool: CpuPool,
    /// Told when a search compared many rows for want of an interim graph.
    pub graphs_missed: Arc<Notify>,
    /// For deadlines.
    pub clock: Arc<dyn Clock>,
    /// Options.
    pub config: QueryConfig,
}

/// Which view a read wants, and until when.
struct Wish<'a> {
    shard: ShardId,
    partitions: &'a [PartitionId],
    consistency: Consistency,
    /// A pinned moment instead of the present (I18).
    at: Option<Timestamp>,
    deadline_ms: u64,
    /// Whether it is told how long things took.
    is_timed: bool,
}

/// Serves [`ShardReader`]; see the crate's page. Shared as `Arc<QueryNode>`.
pub struct QueryNode {
    node: NodeId,
    views: Arc<ViewRegistry>,
    barrier: Arc<dyn ReadBarrier>,
    pool: CpuPool,
    graphs_missed: Arc<Notify>,
    clock: Arc<dyn Clock>,
    config: QueryConfig,
    gate: Gate,
    answers: Arc<AnswerMemory>,
}

impl QueryNode {
    /// A role over these parts, open for reads.
    pub fn new(parts: QueryParts) -> QueryNode {
        let QueryParts { node, views, barrier, pool, graphs_missed, clock, config } = parts;
        let gate = Gate::new(config.reads_max, config.retry_after);
        let retry_ms = u64::try_from(config.retry_after.as_millis()).unwrap_or(u64::MAX);
        let answers = AnswerMemory::new(config.answer_bytes_max, config.reply_bytes_max, retry_ms);
        QueryNode {
            node,
            views,
            barrier,
            pool,
            graphs_missed,
            clock,
            config,
            gate,
            answers: Arc::new(answers),
        }
    }

    /// How the role is, for health and metrics.
    pub fn report(&self) -> RoleReport {
        RoleReport {
            under_way: self.gate.under_way(),
            running: self.gate.running(),
            places: self.gate.places(),
            refused: self.gate.refused(),
            answer_bytes: self.answers.taken_bytes(),
            out_of_service: self.views.damaged(),
        }
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Waits for the barrier, loads the view, turns it back when an earlier moment is wanted, runs `work` on the CPU pool. What `work` takes of the room is given back when
    /// the answer is.
    async fn read<T, F>(&self, wish: Wish<'_>, work: F) -> Result<(T, ReadTimes)>
    where
        T: Send + 'static,
        F: FnOnce(&ShardView, &Watch, &mut AnswerRoom) -> vecraft_segment::Result<Result<T>> + Send + 'static,
    {
        let mut times = ReadTimes::begin(&self.clock, wish.is_timed);
        let place = self.gate.enter()?;
        times.admitted();
        let Wish { shard, at, partitions, .. } = wish;
        // A replica that has come to the moment knows it (I18).
        let consistency = at.map_or(wish.consistency, Consistency::Session);
        let wanted = Wanted::new(&self.clock, wish.deadline_ms);
        // Asked first: a shard that is not here has no barrier that could end.
        self.view(shard)?;
        wanted.run(self.barrier.wait(shard, consistency, wanted.left_ms())).await?;
        let position = match at {
            None => None,
            Some(at) => match self.barrier.pinned(shard, at, partitions) {
                Ok(position) => Some(position),
                // The view's time is the group's: the moment may have been committed and not have come here.
                Err(_) => {
                    wanted.run(self.barrier.wait(shard, Consistency::Strong, wanted.left_ms())).await?;
                    Some(self.barrier.pinned(shard, at, partitions)?)
                }
            },
        };
        times.is_fresh();
        // I15: loaded after the wait, or it might be the view before it.
        let view = self.view(shard)?;
        let watch = wanted.watch();
        let runner = self.gate.runner();
        let mut room = self.answers.room();
        let job = move || {
            let (_place, _running) = (place, runner.begin());
            times.runs();
            let answer = match position.zip(at) {
                None => work(&view, &watch, &mut room),
                Some((position, at)) => view.at(position, at).and_then(|view| work(&view, &watch, &mut room)),
            };
            times.ends();
            (answer, room, times)
        };
        let answer = async {
            match self.pool.run(job).await {
                Ok((Ok(answer), _room, times)) => answer.map(|answer| (answer, times)),
                Ok((Err(error), ..)) => Err(self.broken(shard, error)),
                Err(Cancelled::Panicked { text, .. }) => {
                    Err(Error::internal(format!("the read panicked: {text}")))
                }
                Err(closed @ Cancelled::Closed { .. }) => {
                    Err(Error::new(Code::Unavailable, closed.to_string()))
                }
            }
        };
        wanted.run(answer).await
    }

    fn view(&self, shard: ShardId) -> Result<Arc<ShardView>> {
        if let Some(refusal) = self.views.refusal(shard) {
            return Err(refusal);
        }
        self.views.get(shard).ok_or_else(|| self.barrier.absent(shard))
    }

    /// An error of the engine. A damaged file ends the service of this shard here (I24): what else it holds cannot be
    /// trusted either.
    fn broken(&self, shard: ShardId, error: vecraft_segment::Error) -> Error {
        if self.views.report_damage(shard, &error) {
            tracing::error!(%shard, %error, "damaged file, this replica of the shard leaves service");
        }
        error.into()
    }
}

#[async_trait]
impl ShardReader for QueryNode {
    async fn search(&self, asked: ShardSearch) -> Result<ShardHits> {
        let (shard, hits_max) = (asked.shard, self.config.hits_max);
        let (partitions, is_timed) = (asked.partitions.clone(), asked.explain.is_some());
        let wish = Wish {
            shard,
            partitions: &partitions,
            consistency: asked.consistency,
            at: asked.at,
            deadline_ms: asked.deadline_ms,
            is_timed,
        };
        let missed = self.graphs_missed.clone();
        let work = move |view: &ShardView, watch: &Watch, room: &mut AnswerRoom| {
            let answer = search::run(view, &asked, hits_max, watch, room);
            if view.misses_graph() {
                missed.notify_one();
            }
            answer
        };
        let (mut hits, times) = self.read(wish, work).await.map_err(|error| error.with("shard", shard))?;
        if let Some(explained) = &mut hits.explained {
            explained.shard.node = self.node;
            times.tell(&mut explained.shard);
        }
        Ok(hits)
    }

    async fn query(&self, asked: ShardQuery) -> Result<ShardRows> {
        let (shard, partitions) = (asked.shard, asked.partitions.clone());
        let wish = Wish {
            shard,
            partitions: &partitions,
            consistency: asked.consistency,
            at: asked.at,
            deadline_ms: asked.deadline_ms,
            is_timed: false,
        };
        let work = move |view: &ShardView, watch: &Watch, room: &mut AnswerRoom| {
            query::run(view, &asked, watch, room)
        };
        let answer = self.read(wish, work).await.map_err(|error| error.with("shard", shard))?;
        Ok(answer.0)
    }
}
