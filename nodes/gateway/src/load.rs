//! Load and release. A collection is served without being loaded unless it asked for strictness
//! (`milvus.strict_load`), so loading sets a flag and is done at once.
//!
//! The flag is the collection's. Loading some partitions therefore loads all of them, which is more than asked
//! and never less; releasing some is refused, because the others' rows would go too.
//!
//! `replica_number` says how many replicas of each shard answer reads; without it all of them do, loaded or not.

use crate::call::Context;
use crate::params::refuse;
use crate::partition::check_names;
use crate::proto::common::LoadState;
use crate::proto::milvus as pb;
use crate::replicas::DEFAULT_RESOURCE_GROUP;
use std::collections::HashMap;
use vecraft_types::api::{CollectionName, SetLoaded};
use vecraft_types::{Code, CollectionDescriptor, Error, Result};

pub(crate) async fn load(cx: Context, request: pb::LoadCollectionRequest) -> Result<()> {
    check_options(
        &request.resource_groups,
        &request.load_fields,
        request.skip_load_dynamic_field,
        &request.load_params,
    )?;
    cx.db.set_loaded(cx.call, load_of(request.collection_name, request.replica_number)).await
}

pub(crate) async fn release(cx: Context, request: pb::ReleaseCollectionRequest) -> Result<()> {
    cx.db.set_loaded(cx.call, release_of(request.collection_name)).await
}

pub(crate) async fn load_partitions(cx: Context, request: pb::LoadPartitionsRequest) -> Result<()> {
    check_options(
        &request.resource_groups,
        &request.load_fields,
        request.skip_load_dynamic_field,
        &request.load_params,
    )?;
    if request.partition_names.is_empty() {
        return Err(Error::new(Code::MissingParameter, "load_partitions names no partition"));
    }
    let found = described(&cx, request.collection_name).await?;
    check_names(&found, &request.partition_names)?;
    cx.db.set_loaded(cx.call, load_of(found.name, request.replica_number)).await
}

pub(crate) async fn release_partitions(cx: Context, request: pb::ReleasePartitionsRequest) -> Result<()> {
    let found = described(&cx, request.collection_name).await?;
    check_names(&found, &request.partition_names)?;
    let kept = found.partitions.iter().find(|partition| !request.partition_names.contains(&partition.name));
    if let Some(kept) = kept {
        let what = "release_partitions for some partitions of a collection";
        return Err(Error::not_built(what).with("collection", &found.name).with("not released", &kept.name));
    }
    cx.db.set_loaded(cx.call, release_of(found.name)).await
}

/// As in Milvus, a number below one means that none was given.
fn load_of(collection: String, replicas: i32) -> SetLoaded {
    let replicas = u32::try_from(replicas).ok().filter(|replicas| *replicas > 0);
    SetLoaded { collection, loaded: true, replicas }
}

fn release_of(collection: String) -> SetLoaded {
    SetLoaded { collection, loaded: false, replicas: None }
}

fn check_options(
    resource_groups: &[String],
    fields: &[String],
    skip_dynamic: bool,
    params: &HashMap<String, String>,
) -> Result<()> {
    refuse(&[
        // Naming the only one changes nothing.
        ("resource_groups", resource_groups.iter().any(|group| group != DEFAULT_RESOURCE_GROUP)),
        ("load_fields", !fields.is_empty()),
        ("skip_load_dynamic_field", skip_dynamic),
    ])?;
    match params.keys().min() {
        None => Ok(()),
        Some(key) => Err(Error::not_built(format!("load parameter {key:?}"))),
    }
}

pub(crate) async fn progress(
    cx: Context,
    request: pb::GetLoadingProgressRequest,
) -> Result<pb::GetLoadingProgressResponse> {
    let found = described(&cx, request.collection_name).await?;
    check_names(&found, &request.partition_names)?;
    if !found.is_loaded {
        return Err(Error::new(Code::CollectionNotLoaded, "").with("collection", found.name));
    }
    Ok(pb::GetLoadingProgressResponse { progress: 100, refresh_progress: 100, ..Default::default() })
}

/// A missing collection is a state here, not an error, as in Milvus.
pub(crate) async fn state(cx: Context, request: pb::GetLoadStateRequest) -> Result<pb::GetLoadStateResponse> {
    let state = match described(&cx, request.collection_name).await {
        Ok(found) => {
            check_names(&found, &request.partition_names)?;
            if found.is_loaded { LoadState::Loaded } else { LoadState::NotLoad }
        }
        Err(error) if error.code == Code::CollectionNotFound => LoadState::NotExist,
        Err(error) => return Err(error),
    };
    Ok(pb::GetLoadStateResponse { state: state.into(), ..Default::default() })
}

async fn described(cx: &Context, name: String) -> Result<CollectionDescriptor> {
    cx.db.describe_collection(cx.call.clone(), CollectionName::Name(name)).await
}
