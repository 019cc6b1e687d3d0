//! Rows by filter, and exact counts.

use super::moments::level_of_names;
use super::reads::{check_loaded, check_window, is_of_old_names, lacks_names, shards_of};
use super::session::{SessionSeen, latest, seen};
use crate::Proxy;
use crate::deadline::Deadline;
use crate::filter::parse_filter;
use crate::merge::merge_rows;
use crate::names::partition_ids;
use crate::output::Output;
use vecraft_rpc::services::{ShardQuery, ShardRows};
use vecraft_types::api::{Call, NamedRows, QueryReply, QueryRequest};
use vecraft_types::{Code, CollectionDescriptor, Error, Result, ShardId};

const VERB: &str = "query";
/// The output field that means the number of matching rows.
const COUNT: &str = "count(*)";

/// A checked query.
struct Plan<'a> {
    /// None when only the count is wanted.
    output: Option<Output<'a>>,
    primary_field: String,
    shards: Vec<ShardId>,
    session: SessionSeen,
    ask: ShardQuery,
}

impl Proxy {
    pub(crate) async fn query_rows(&self, call: Call, asked: QueryRequest) -> Result<QueryReply> {
        let deadline = self.deadline(&call);
        self.admission.check(asked.filter.len())?;
        let _room = self.admission.enter(asked.filter.len())?;
        let (name, level) = (&asked.collection, level_of_names(asked.moment, asked.consistency));
        let lacks = |found: &CollectionDescriptor| lacks_names(found, &asked.partitions);
        let collection = self.collection_to_read(&call, &deadline, name, level, lacks).await?;
        let (offset, limit) = (asked.offset, asked.limit);
        let (moment, partitions) = (asked.moment, asked.partitions.clone());
        let mut plan = plan(&collection, asked)?;
        plan.ask.at = self.moment(&deadline, &collection, moment).await?;
        let answers = match self.ask_for_rows(&deadline, &collection, &plan).await {
            Err(error) if is_of_old_names(&error, moment, level) => {
                let anew = self.partitions_anew(&call, &deadline, &collection, &partitions, error).await?;
                plan.ask.partitions = anew.1;
                self.ask_for_rows(&deadline, &anew.0, &plan).await?
            }
            answers => answers?,
        };
        self.query_reply(plan, answers, offset, limit)
    }

    async fn ask_for_rows(
        &self,
        deadline: &Deadline,
        collection: &CollectionDescriptor,
        plan: &Plan<'_>,
    ) -> Result<Vec<ShardRows>> {
        let level = plan.ask.consistency;
        let ask = |shard| {
            let (consistency, deadline_ms) = (plan.session.level(level, shard), deadline.left_ms());
            self.shard_reader.query(ShardQuery { shard, consistency, deadline_ms, ..plan.ask.clone() })
        };
        self.ask_shards(deadline, VERB, collection, &plan.shards, level, ask).await
    }

    fn query_reply(
        &self,
        plan: Plan<'_>,
        answers: Vec<ShardRows>,
        offset: usize,
        limit: Option<usize>,
    ) -> Result<QueryReply> {
        self.check_reply_size(answers.iter().map(|shard| &shard.rows))?;
        let seen = seen(&plan.shards, answers.iter().map(|shard| shard.timestamp));
        let timestamp = plan.ask.at.unwrap_or_else(|| latest(&seen));
        let primary_field = plan.primary_field;
        let Some(output) = plan.output else {
            let count = Some(answers.iter().map(|shard| shard.count).sum());
            let (rows, output_fields) = (NamedRows::default(), vec![COUNT.to_owned()]);
            return Ok(QueryReply { count, rows, primary_field, output_fields, timestamp, seen });
        };
        let shards =
            answers.into_iter().map(|shard| output.arrange(shard.rows)).collect::<Result<Vec<_>>>()?;
        let merged = merge_rows(offset, limit, &shards)?;
        let rows = output.name(if merged.rows == 0 { output.empty() } else { merged })?;
        Ok(QueryReply { count: None, rows, primary_field, output_fields: output.names, timestamp, seen })
    }
}

/// Checks everything a query says.
fn plan(collection: &CollectionDescriptor, asked: QueryRequest) -> Result<Plan<'_>> {
    check_loaded(collection)?;
    let schema = &collection.schema;
    let is_count = asked.output_fields.iter().any(|name| name.eq_ignore_ascii_case(COUNT));
    if is_count {
        check_count(&asked)?;
    } else {
        check_window(asked.limit, asked.offset)?;
        if asked.filter.trim().is_empty() && asked.limit.is_none() {
            let text = "an empty filter needs a limit";
            return Err(Error::new(Code::InvalidParameter, text).with("collection", &collection.name));
        }
    }
    let filter = parse_filter(&asked.filter, schema)?;
    let mut wanted = Output::resolve(schema, if is_count { &[] } else { &asked.output_fields })?;
    let primary_field = wanted.primary().name.clone();
    // As in Milvus, a query always returns the key.
    if !wanted.names.contains(&primary_field) {
        wanted.names.insert(0, primary_field.clone());
    }
    let session = SessionSeen::new(collection, &asked.seen);
    let ask = ShardQuery {
        shard: ShardId::default(),
        partitions: partition_ids(collection, &asked.partitions)?,
        filter: asked.filter,
        output: if is_count { Vec::new() } else { wanted.ids() },
        limit: asked.limit.map(|limit| asked.offset + limit),
        consistency: asked.consistency,
        at: None,
        deadline_ms: 0,
    };
    let shards = shards_of(collection, filter.keys.as_deref());
    Ok(Plan { output: (!is_count).then_some(wanted), primary_field, shards, session, ask })
}

fn check_count(asked: &QueryRequest) -> Result<()> {
    if asked.output_fields.len() > 1 {
        let others = asked.output_fields.join(", ");
        return Err(Error::invalid(format!("{COUNT} must be the only output field, asked are {others}")));
    }
    if asked.limit.is_some() || asked.offset > 0 {
        return Err(Error::invalid(format!(
            "{COUNT} counts all matching rows, it takes neither limit nor offset"
        )));
    }
    Ok(())
}
