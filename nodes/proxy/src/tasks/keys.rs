//! Keys of which a search tells what became of them: whether that can be told, and the verdict among all shards.

use crate::merge::Hits;
use vecraft_rpc::services::{Nearer, ShardKey};
use vecraft_types::api::{Explain, KeyExplanation, KeyVerdict, SearchRequest};
use vecraft_types::limits::WHY_MISSING_MAX;
use vecraft_types::{CollectionDescriptor, DataType, Error, FieldSchema, PrimaryKey, Result};

/// Rows of another shard come before the key: those that are nearer, and those as near of a shard before its own.
pub(super) fn add(told: &mut KeyExplanation, shard: u32, nearer: Nearer, is_same: bool) {
    if shard == told.shard {
        return;
    }
    let tied = if shard < told.shard { nearer.as_near } else { 0 };
    told.rank = told.rank.map(|rank| rank + nearer.rows + tied);
    told.is_of_one_view &= is_same;
}

/// The key's place among the hits shown, from 1.
pub(super) fn place(merged: &Hits, key: &PrimaryKey) -> Option<u64> {
    let keys = merged.rows.columns.first()?;
    (0..merged.rows.rows).find(|row| keys.data.key(*row).as_ref() == Some(key)).map(|row| row as u64 + 1)
}

/// The verdict among all shards, with the words for it.
pub(super) fn judged(
    collection: &CollectionDescriptor,
    key: ShardKey,
    place: Option<u64>,
    last: u64,
) -> KeyExplanation {
    let mut told = key.told;
    let partition = collection
        .partitions
        .iter()
        .find(|known| told.partition.as_deref() == Some(known.id.to_string().as_str()));
    if let Some(partition) = partition {
        told.partition = Some(partition.name.clone());
    }
    if let Some(rank) = told.rank {
        let is_shown_by_its_shard = told.place.is_some();
        told.place = place;
        told.verdict = match place {
            Some(_) => KeyVerdict::Found,
            None if rank > last => KeyVerdict::BeyondLimit,
            None if is_shown_by_its_shard => KeyVerdict::BeforeOffset,
            None => told.verdict,
        };
        if told.verdict != KeyVerdict::LostByIndex {
            told.lost = None;
        }
    }
    told.words = told.to_string();
    told
}

/// Refuses keys of which nothing could be told.
pub(super) fn check_keys(
    collection: &CollectionDescriptor,
    asked: &SearchRequest,
    explain: &Explain,
    queries: usize,
) -> Result<()> {
    let keys = &explain.why_missing;
    if keys.is_empty() {
        return Ok(());
    }
    if keys.len() > WHY_MISSING_MAX {
        let text = format!("why_missing has {} keys, at most {WHY_MISSING_MAX} are allowed", keys.len());
        return Err(Error::invalid(text));
    }
    if queries != 1 {
        let text =
            format!("why_missing looks at one query vector, the search has {queries}: ask for one at a time");
        return Err(Error::invalid(text));
    }
    if asked.group_by.is_some() || asked.page.is_some() {
        let what = if asked.page.is_some() { "pages" } else { "groups" };
        return Err(Error::not_built(format!("why_missing of a search for {what}")));
    }
    let primary = collection.schema.primary_field();
    let is_text = |field: &FieldSchema| matches!(field.data_type, DataType::VarChar { .. });
    let wrong = |key: &&PrimaryKey| {
        primary.is_some_and(|field| is_text(field) != matches!(key, PrimaryKey::VarChar(_)))
    };
    match (primary, keys.iter().find(wrong)) {
        (Some(field), Some(key)) => {
            let text =
                format!("why_missing has the key {key}, the primary key is {}", field.data_type.name());
            Err(Error::invalid(text).with("field", &field.name))
        }
        _ => Ok(()),
    }
}
