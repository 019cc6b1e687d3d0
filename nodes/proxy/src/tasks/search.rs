//! Nearest rows.

use super::explain::Explaining;
use super::grouping::{GroupPage, Grouping};
use super::moments::level_of_names;
use super::paging;
use super::reads::{check_loaded, check_window, is_of_old_names, lacks_names, shards_of};
use super::searched::{check_params, check_vectors, metric, vector_field};
use super::session::{SessionSeen, latest, seen};
use crate::Proxy;
use crate::deadline::Deadline;
use crate::filter::parse_filter;
use crate::merge::{Hits, Page, merge_hits};
use crate::names::partition_ids;
use crate::output::Output;
use std::sync::Arc;
use std::time::Duration;
use vecraft_rpc::services::{ShardHits, ShardSearch};
use vecraft_runtime::clock::Clock;
use vecraft_types::api::{Call, Consistency, SearchReply, SearchRequest, Seen};
use vecraft_types::{CollectionDescriptor, FieldSchema, Result, ShardId};

pub(super) const VERB: &str = "search";

/// A checked search.
pub(super) struct Plan<'a> {
    pub(super) collection: &'a CollectionDescriptor,
    pub(super) output: Output<'a>,
    pub(super) shards: Vec<ShardId>,
    queries: usize,
    grouping: Option<Grouping<'a>>,
    pub(super) field: &'a FieldSchema,
    pub(super) session: SessionSeen,
    /// Set when the search is to be explained.
    pub(super) explaining: Option<Explaining>,
    /// What each shard is asked; the shard, what the session has seen of it and the time left are put in when it is sent.
    pub(super) ask: ShardSearch,
}

impl Proxy {
    pub(crate) async fn search_rows(&self, call: Call, asked: SearchRequest) -> Result<SearchReply> {
        let deadline = self.deadline(&call);
        let began = asked.explain.as_ref().map_or(Duration::ZERO, |_| self.clock.monotonic());
        let bytes = asked.vectors.bytes() + asked.filter.len();
        self.admission.check(bytes)?;
        let _room = self.admission.enter(bytes)?;
        let (name, level) = (&asked.collection, level_of_names(asked.moment, asked.consistency));
        let lacks = |found: &CollectionDescriptor| lacks(found, &asked);
        let collection = self.collection_to_read(&call, &deadline, name, level, lacks).await?;
        let (offset, limit) = (asked.offset, asked.limit);
        let (moment, partitions) = (asked.moment, asked.partitions.clone());
        let mut plan = plan(&collection, asked, (&self.clock, began))?;
        plan.ask.at = self.moment(&deadline, &collection, moment).await?;
        let planning = plan.now().saturating_sub(began);
        let answers = match self.ask_for_hits(&deadline, &collection, &plan).await {
            Err(error) if is_of_old_names(&error, moment, level) => {
                let anew = self.partitions_anew(&call, &deadline, &collection, &partitions, error).await?;
                plan.ask.partitions = anew.1;
                plan.explaining.iter().for_each(Explaining::forget);
                self.ask_for_hits(&deadline, &anew.0, &plan).await?
            }
            answers => answers?,
        };
        self.check_reply_size(answers.iter().map(|hits| &hits.rows))?;
        let answered = plan.now();
        let worst = worst_recalls(plan.queries, &answers);
        let seen = seen(&plan.shards, answers.iter().map(|hits| hits.timestamp));
        let (metric, shards) = (plan.ask.metric, plan.arranged(answers)?);
        let merged = match plan.grouping {
            None if plan.ask.page.is_some() => paging::join(metric, limit, shards)?,
            None => merge_hits(metric, plan.queries, &Page { offset, limit }, shards)?,
            Some(by) => {
                let page = GroupPage { by, offset, limit };
                let found = merge_hits(metric, plan.queries, &page, shards)?;
                let has_more = by.has_second_round();
                if has_more {
                    plan.session.raise(&seen);
                    self.fill_groups(&deadline, &plan, &page, found).await?
                } else {
                    found
                }
            }
        };
        let merging = plan.now().saturating_sub(answered);
        if plan.explaining.is_some() {
            plan.session.raise(&seen);
        }
        let explanation = self.explanation(&deadline, &plan, &merged, (planning, merging)).await?;
        Ok(SearchReply { explanation, ..reply(plan, merged, worst, seen)? })
    }

    async fn ask_for_hits(
        &self,
        deadline: &Deadline,
        collection: &CollectionDescriptor,
        plan: &Plan<'_>,
    ) -> Result<Vec<ShardHits>> {
        let level = plan.ask.consistency;
        let asked = plan.now();
        let ask = |shard| async move {
            let hits = self.shard_reader.search(request(&plan.session, &plan.ask, shard, deadline)).await?;
            Ok(plan.noted(hits, 1, asked))
        };
        self.ask_shards(deadline, VERB, collection, &plan.shards, level, ask).await
    }
}

impl Plan<'_> {
    /// Shards' hits with our columns in our order.
    pub(super) fn arranged(&self, answers: Vec<ShardHits>) -> Result<Vec<Hits>> {
        let arrange = |hits: ShardHits| {
            let recalls = of_each_hit(&hits);
            let rows = self.output.arrange(hits.rows)?;
            Ok(Hits { counts: hits.counts, scores: hits.scores, recalls, rows })
        };
        answers.into_iter().map(arrange).collect()
    }
}

/// Of each hit, the recall to expect of its query; none when the shard does not say.
fn of_each_hit(hits: &ShardHits) -> Vec<f32> {
    let mut recalls = Vec::with_capacity(hits.scores.len());
    for (recall, count) in hits.recalls.iter().zip(&hits.counts) {
        let Some(recall) = *recall else { return Vec::new() };
        recalls.extend(std::iter::repeat_n(recall, *count));
    }
    recalls
}

/// Of each query, the recall to expect of the shard that expects the least; none when a shard does not say.
fn worst_recalls(queries: usize, answers: &[ShardHits]) -> Option<Vec<f32>> {
    let worst_of = |query: usize| {
        let mut told = answers.iter().map(|hits| hits.recalls.get(query).copied().flatten());
        told.try_fold(1.0f32, |worst, recall| Some(worst.min(recall?)))
    };
    (0..queries).map(worst_of).collect()
}

fn reply(plan: Plan<'_>, merged: Hits, worst: Option<Vec<f32>>, seen: Vec<Seen>) -> Result<SearchReply> {
    let recalls = merged.expected_recalls(worst);
    let rows = if merged.rows.rows == 0 { plan.output.empty() } else { merged.rows };
    let groups = plan.grouping.map(|by| by.values(&rows));
    Ok(SearchReply {
        recalls,
        counts: merged.counts,
        scores: merged.scores,
        primary_field: plan.output.primary().name.clone(),
        rows: plan.output.name(rows)?,
        output_fields: plan.output.names,
        groups: groups.transpose()?,
        timestamp: plan.ask.at.unwrap_or_else(|| latest(&seen)),
        seen,
        explanation: None,
    })
}

/// What one shard is asked.
pub(super) fn request(
    session: &SessionSeen,
    ask: &ShardSearch,
    shard: ShardId,
    deadline: &Deadline,
) -> ShardSearch {
    let consistency = session.level(ask.consistency, shard);
    ShardSearch { shard, consistency, deadline_ms: deadline.left_ms(), ..ask.clone() }
}

/// Whether something that a search relies on is not known. A metric that it leaves to the index is: a guess would rank
/// by another one. (Eventually asks for what this node has, and is served without a majority.)
fn lacks(known: &CollectionDescriptor, asked: &SearchRequest) -> bool {
    let has_index =
        || vector_field(&known.schema, &asked.field).is_ok_and(|field| known.index_on(field.id).is_some());
    let guesses = asked.metric.is_none() && asked.consistency != Consistency::Eventually && !has_index();
    lacks_names(known, &asked.partitions) || guesses
}

/// Checks everything a search says.
fn plan<'a>(
    collection: &'a CollectionDescriptor,
    asked: SearchRequest,
    began: (&Arc<dyn Clock>, Duration),
) -> Result<Plan<'a>> {
    check_loaded(collection)?;
    check_window(Some(asked.limit), asked.offset)?;
    let schema = &collection.schema;
    let field = vector_field(schema, &asked.field)?;
    let queries = check_vectors(field, &asked)?;
    let index = collection.index_on(field.id);
    let metric = metric(index, field, asked.metric)?;
    let k = asked.offset + asked.limit;
    // A page compares every row: how many an index looks at is of no matter to it.
    check_params(index, metric, if asked.page.is_some() { 1 } else { k }, &asked)?;
    paging::check(&asked, queries)?;
    let filter = parse_filter(&asked.filter, schema)?;
    let mut output = Output::resolve(schema, &asked.output_fields)?;
    let grouping = Grouping::check(schema, &asked)?;
    if let Some(by) = grouping {
        output.also(by.field);
    }
    let explaining = Explaining::read(collection, &asked, queries, began)?;
    let session = SessionSeen::new(collection, &asked.seen);
    let ask = ShardSearch {
        shard: ShardId::default(),
        partitions: partition_ids(collection, &asked.partitions)?,
        field: field.id,
        metric,
        dim: asked.dim,
        vectors: Arc::new(asked.vectors),
        k,
        filter: asked.filter,
        params: asked.params,
        output: output.ids(),
        group_by: grouping.map(|by| by.ask()),
        page: asked.page,
        consistency: asked.consistency,
        at: None,
        deadline_ms: 0,
        explain: explaining.as_ref().map(Explaining::ask),
    };
    let shards = shards_of(collection, filter.keys.as_deref());
    Ok(Plan { collection, output, shards, queries, grouping, field, session, explaining, ask })
}
