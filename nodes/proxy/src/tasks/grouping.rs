//! Searches for groups of rows: what is asked of the shards, and how their groups become one answer.
//!
//! A shard's `k` nearest groups hold the nearest row of each of the `k` nearest of all, so one round is enough for which
//! groups there are. What else belongs to them another shard may have, in groups that were too far to be told: where
//! groups must be filled, a second round asks every shard for the rows of the chosen groups only.

use crate::Proxy;
use crate::deadline::Deadline;
use crate::merge::{Choose, Hits, merge_hits};
use crate::names::field_not_found;
use crate::tasks::search::{Plan, VERB, request};
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::BTreeSet;
use std::sync::Arc;
use vecraft_rpc::services::{ShardGroupBy, ShardSearch};
use vecraft_types::api::SearchRequest;
use vecraft_types::limits::TOPK_MAX;
use vecraft_types::{
    Code, CollectionSchema, Column, DataType, Error, FieldSchema, GroupKey, Groups, Result, RowBatch,
};

/// Query vectors whose groups are filled at the same time.
const FILLED_AT_ONCE: usize = 4;

/// What has values that can be compared and kept.
const GROUPABLE: &str = "Bool, Int8 to Int64 and VarChar";

/// A checked wish for groups.
#[derive(Clone, Copy)]
pub(super) struct Grouping<'a> {
    pub(super) field: &'a FieldSchema,
    size: usize,
    is_strict: bool,
}

impl<'a> Grouping<'a> {
    /// Reads what a search says about groups.
    pub(super) fn check(schema: &'a CollectionSchema, asked: &SearchRequest) -> Result<Option<Grouping<'a>>> {
        let Some(by) = &asked.group_by else { return Ok(None) };
        let field = schema.field(&by.field).ok_or_else(|| no_field(schema, &by.field))?;
        let fail = |text: String| Err(Error::invalid(text).with("field", &field.name));
        if !field.data_type.can_group() {
            let name = field.data_type.name();
            return fail(format!("rows cannot be grouped by a {name} field, only by {GROUPABLE}"));
        }
        let groups = asked.offset + asked.limit;
        let most = TOPK_MAX / groups.max(1);
        if !(1..=most).contains(&by.size) {
            let size = by.size;
            return fail(format!(
                "group_size is {size}, allowed is 1 to {most} with {groups} groups (offset + limit): {TOPK_MAX} rows at most"
            ));
        }
        Ok(Some(Grouping { field, size: by.size, is_strict: by.is_strict }))
    }

    /// What the first round asks.
    pub(super) fn ask(&self) -> ShardGroupBy {
        let size = if self.has_second_round() { 1 } else { self.size };
        ShardGroupBy { field: self.field.id, size, is_strict: false }
    }

    pub(super) fn has_second_round(&self) -> bool {
        self.is_strict && self.size > 1
    }

    /// The value of each hit's group.
    pub(super) fn values(&self, rows: &RowBatch) -> Result<RowBatch> {
        Ok(RowBatch { rows: rows.rows, columns: vec![self.column(rows)?.clone()] })
    }

    fn key<'k>(&self, column: &'k Column, row: usize) -> Result<GroupKey<'k>> {
        let name = &self.field.name;
        column
            .group_key(row)
            .ok_or_else(|| Error::internal("a hit came back without its group").with("field", name))
    }

    fn column<'k>(&self, rows: &'k RowBatch) -> Result<&'k Column> {
        let name = &self.field.name;
        rows.column(self.field.id)
            .ok_or_else(|| Error::internal("hits came back without groups").with("field", name))
    }
}

/// The `limit` nearest groups after the first `offset`, group after group.
pub(super) struct GroupPage<'a> {
    pub(super) by: Grouping<'a>,
    pub(super) offset: usize,
    pub(super) limit: usize,
}

impl Choose for GroupPage<'_> {
    fn choose(&self, all: &RowBatch, candidates: &[usize], picked: &mut Vec<usize>) -> Result<()> {
        if candidates.is_empty() {
            return Ok(());
        }
        let column = self.by.column(all)?;
        let mut groups = Groups::new(self.offset + self.limit, self.by.size);
        for &row in candidates {
            groups.offer(self.by.key(column, row)?, row);
        }
        picked.extend(groups.into_groups().into_iter().skip(self.offset).flatten());
        Ok(())
    }
}

impl Proxy {
    /// The second round: the rows of the groups that the first round found, query after query.
    pub(super) async fn fill_groups(
        &self,
        deadline: &Deadline,
        plan: &Plan<'_>,
        page: &GroupPage<'_>,
        found: Hits,
    ) -> Result<Hits> {
        let mut asks = Vec::with_capacity(found.counts.len());
        let mut from = 0;
        for (query, count) in found.counts.iter().enumerate() {
            asks.push(filling(plan, page, &found.rows, from..from + count, query)?);
            from += count;
        }
        let fill = |ask: Option<ShardSearch>| self.fill(deadline, plan, page, ask);
        let mut filled = stream::iter(asks).map(fill).buffered(FILLED_AT_ONCE);
        let mut all = Hits::default();
        while let Some(hits) = filled.try_next().await? {
            all.counts.extend(hits.counts);
            all.scores.extend(hits.scores);
            all.append(&hits.rows)?;
            // Each answer was small enough; together they may not be (I21).
            self.check_reply_size(std::iter::once(&all.rows))?;
        }
        Ok(all)
    }

    async fn fill(
        &self,
        deadline: &Deadline,
        plan: &Plan<'_>,
        page: &GroupPage<'_>,
        ask: Option<ShardSearch>,
    ) -> Result<Hits> {
        let Some(ask) = ask else {
            return Ok(Hits { counts: vec![0], rows: plan.output.empty(), ..Hits::default() });
        };
        let (asked, ask) = (plan.now(), &ask);
        let answers = self
            .ask_shards(
                deadline,
                VERB,
                plan.collection,
                &plan.shards,
                plan.ask.consistency,
                |shard| async move {
                    let hits = self.shard_reader.search(request(&plan.session, ask, shard, deadline)).await?;
                    Ok(plan.noted(hits, 2, asked))
                },
            )
            .await?;
        self.check_reply_size(answers.iter().map(|hits| &hits.rows))?;
        let all_of_them = GroupPage { offset: 0, limit: ask.k, ..*page };
        merge_hits(plan.ask.metric, 1, &all_of_them, plan.arranged(answers)?)
    }
}

/// What a query's groups are filled by: the same search for their rows only. None for a query that found no groups.
fn filling(
    plan: &Plan<'_>,
    page: &GroupPage<'_>,
    rows: &RowBatch,
    hits: std::ops::Range<usize>,
    query: usize,
) -> Result<Option<ShardSearch>> {
    if hits.is_empty() {
        return Ok(None);
    }
    let column = page.by.column(rows)?;
    let keys = hits.map(|row| page.by.key(column, row)).collect::<Result<BTreeSet<_>>>()?;
    let vector = plan.ask.vectors.only(query, plan.ask.dim);
    let vector = vector.ok_or_else(|| Error::internal("more answers than query vectors"))?;
    Ok(Some(ShardSearch {
        vectors: Arc::new(vector),
        k: keys.len(),
        filter: narrowed(&plan.ask.filter, &page.by.field.name, &keys),
        group_by: Some(ShardGroupBy { field: page.by.field.id, size: page.by.size, is_strict: true }),
        ..plan.ask.clone()
    }))
}

/// The filter, and the field's value one of these.
fn narrowed(filter: &str, field: &str, keys: &BTreeSet<GroupKey<'_>>) -> String {
    let literals: Vec<String> = keys.iter().filter_map(literal).collect();
    let mut parts = Vec::new();
    if !literals.is_empty() {
        parts.push(format!("{field} in [{}]", literals.join(", ")));
    }
    if keys.contains(&GroupKey::Null) {
        parts.push(format!("{field} is null"));
    }
    let within = parts.join(" or ");
    if filter.trim().is_empty() { within } else { format!("({filter}) and ({within})") }
}

fn literal(key: &GroupKey<'_>) -> Option<String> {
    match key {
        GroupKey::Null => None,
        GroupKey::Bool(value) => Some(value.to_string()),
        GroupKey::Int(value) => Some(value.to_string()),
        GroupKey::Text(text) => {
            let mut quoted = String::with_capacity(text.len() + 2);
            quoted.push('"');
            for letter in text.chars() {
                match letter {
                    '"' | '\\' => quoted.extend(['\\', letter]),
                    '\n' => quoted.push_str("\\n"),
                    '\r' => quoted.push_str("\\r"),
                    other => quoted.push(other),
                }
            }
            quoted.push('"');
            Some(quoted)
        }
    }
}

/// Why there is no such field to group by. A key of the dynamic field, or within a JSON field, is known to filters and to
/// `output_fields`, so whoever groups by one hears what is different here.
fn no_field(schema: &CollectionSchema, name: &str) -> Error {
    let outer = name.split('[').next().unwrap_or(name);
    let is_path = outer.len() < name.len();
    let is_in_json =
        is_path && schema.field(outer).is_some_and(|field| matches!(field.data_type, DataType::Json));
    if !is_in_json && schema.dynamic_field().is_none() {
        return field_not_found(schema, name);
    }
    let what = match is_in_json {
        true => "a path into a JSON field",
        false => "no field of the schema, so at best a key of the dynamic field",
    };
    let possible: Vec<&str> =
        schema.fields.iter().filter(|field| field.data_type.can_group()).map(|field| &*field.name).collect();
    let text = format!(
        "rows cannot be grouped by {name:?}: it is {what}, whose values may be of any type; only fields of the schema of type \
         {GROUPABLE} group, here {}",
        possible.join(", ")
    );
    Error::new(Code::FieldNotFound, text).with("field", name)
}
