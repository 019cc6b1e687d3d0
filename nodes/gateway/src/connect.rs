//! The server about itself: connect, version, health, clock.

use crate::call::Context;
use crate::proto::common::{ServerInfo, StateCode};
use crate::proto::milvus as pb;
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use vecraft_types::Result;

/// Connections of this process, so that two in one millisecond get different identifiers.
static CONNECTIONS: AtomicI64 = AtomicI64::new(0);

pub(crate) async fn connect(cx: Context, _: pb::ConnectRequest) -> Result<pb::ConnectResponse> {
    let info = cx.db.server_info(cx.call).await?;
    let count = CONNECTIONS.fetch_add(1, Ordering::Relaxed) & 0xf_ffff;
    let millis = i64::try_from(info.now.millis()).unwrap_or(0);
    let server_info = ServerInfo {
        build_tags: info.version,
        reserved: HashMap::from([
            ("server".to_owned(), "vecraft".to_owned()),
            ("cluster_id".to_owned(), info.cluster_id),
            ("cluster_name".to_owned(), info.cluster_name),
        ]),
        ..ServerInfo::default()
    };
    // 20 bits of the counter below 43 bits of milliseconds: positive until the year 2248.
    let identifier = millis << 20 | count;
    Ok(pb::ConnectResponse { server_info: Some(server_info), identifier, ..Default::default() })
}

pub(crate) async fn version(cx: Context, _: pb::GetVersionRequest) -> Result<pb::GetVersionResponse> {
    let info = cx.db.server_info(cx.call).await?;
    Ok(pb::GetVersionResponse { version: info.version, ..Default::default() })
}

pub(crate) async fn check_health(cx: Context, _: pb::CheckHealthRequest) -> Result<pb::CheckHealthResponse> {
    let info = cx.db.server_info(cx.call).await?;
    Ok(pb::CheckHealthResponse { is_healthy: info.is_healthy, reasons: info.reasons, ..Default::default() })
}

/// Older clients ask for the state of Milvus's components; ours are one.
pub(crate) async fn component_states(
    cx: Context,
    _: pb::GetComponentStatesRequest,
) -> Result<pb::ComponentStates> {
    let info = cx.db.server_info(cx.call).await?;
    let state_code = if info.is_healthy { StateCode::Healthy } else { StateCode::Abnormal };
    let state =
        pb::ComponentInfo { role: "vecraft".to_owned(), state_code: state_code.into(), ..Default::default() };
    Ok(pb::ComponentStates { state: Some(state), ..Default::default() })
}

pub(crate) async fn alloc_timestamp(
    cx: Context,
    _: pb::AllocTimestampRequest,
) -> Result<pb::AllocTimestampResponse> {
    let info = cx.db.server_info(cx.call).await?;
    Ok(pb::AllocTimestampResponse { timestamp: info.now.0, ..Default::default() })
}
