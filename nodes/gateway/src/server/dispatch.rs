//! One request: gRPC or plain HTTP, ours or not.

use super::body::Gathered;
use super::bytes_in_flight::{BytesInFlight, RequestBytes};
use super::strangers::Stranger;
use crate::options::Options;
use crate::proto::common;
use crate::proto::milvus::milvus_service_server::{MilvusServiceServer, SERVICE_NAME};
use crate::service::{BARE_STATUS, REPLY_BYTES_MAX, Service};
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use prost::Message;
use std::sync::Arc;
use std::time::Duration;
use tonic::body::Body;
use tower_service::Service as _;
use vecraft_types::api::Database;
use vecraft_types::{Code, Error};

/// Sends requests where they belong. Cheap to clone: one for each connection.
#[derive(Clone)]
pub(crate) struct Dispatch {
    service: MilvusServiceServer<Service>,
    in_flight: Arc<BytesInFlight>,
    /// How often one looks whether a request that is not whole goes on.
    look: Duration,
}

impl Dispatch {
    /// Dispatches to `db`.
    pub fn new(db: Arc<dyn Database>, options: &Options) -> Dispatch {
        let service = MilvusServiceServer::new(Service { db, calls: Arc::clone(&options.calls) })
            .max_decoding_message_size(options.message_bytes_max)
            .max_encoding_message_size(REPLY_BYTES_MAX);
        let in_flight = BytesInFlight::new(
            options.bytes_in_flight_max,
            options.message_bytes_max,
            Arc::clone(&options.arriving),
        );
        Dispatch { service, in_flight, look: options.silent_max }
    }

    /// Answers one request. Never fails: an error is an answer.
    pub async fn serve(mut self, request: Request<Incoming>, from: &Stranger) -> Response<Body> {
        if !is_grpc(&request) {
            let path = request.uri().path();
            from.sent("a request to the Milvus port was refused: it is not gRPC", &path);
            return rest_comes_later(path);
        }
        let path = request.uri().path().to_owned();
        let Some((SERVICE_NAME, method)) = path.trim_start_matches('/').split_once('/') else {
            return not_served(&path);
        };
        let bytes = RequestBytes::new(Arc::clone(&self.in_flight));
        if let Err(error) = bytes.admit() {
            return refusal(method, &error);
        }
        let mut request = request.map(|body| Gathered::new(body, bytes.clone(), self.look));
        request.extensions_mut().insert(bytes.clone());
        let response = match self.service.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        match bytes.refusal().or_else(|| undecodable(&response)) {
            // Nothing is wrong with the client.
            Some(error) if error.code == Code::RateLimited => refusal(method, &error),
            Some(error) => {
                from.sent("a request to the Milvus port was refused", &format_args!("{method}: {error}"));
                refusal(method, &error)
            }
            None if is_unknown(&response) => not_served(&path),
            None => response,
        }
    }
}

fn is_grpc(request: &Request<Incoming>) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    request.version() == Version::HTTP_2
        && content_type.is_some_and(|kind| kind.starts_with(b"application/grpc"))
}

fn not_served(path: &str) -> Response<Body> {
    tonic::Status::unimplemented(format!("{path} is not served by this version of Vecraft")).into_http()
}

/// True for the answer that the generated code gives to a call it does not know: no word of explanation.
fn is_unknown(response: &Response<Body>) -> bool {
    tonic::Status::from_header_map(response.headers())
        .is_some_and(|status| status.code() == tonic::Code::Unimplemented && status.message().is_empty())
}

/// What is wrong with a request that could not be decoded, or was not because of what it would become (I21). Handlers
/// never answer with a gRPC error, so these come from the codec.
fn undecodable(response: &Response<Body>) -> Option<Error> {
    let status = tonic::Status::from_header_map(response.headers())?;
    match status.code() {
        tonic::Code::Internal => {
            Some(Error::invalid(format!("the request cannot be decoded: {}", status.message())))
        }
        tonic::Code::InvalidArgument => Some(Error::invalid(status.message())),
        tonic::Code::ResourceExhausted => Some(Error::new(Code::ParameterTooLarge, status.message())),
        _ => None,
    }
}

/// The answer to a request that was not even decoded: a whole reply with a status, as the client expects it, because
/// it would retry a gRPC error.
fn refusal(method: &str, error: &Error) -> Response<Body> {
    let status = common::Status::from(error);
    let is_bare = BARE_STATUS.iter().any(|request| request.strip_suffix("Request") == Some(method));
    let message = if is_bare {
        status.encode_to_vec()
    } else {
        let field = if method == "GetComponentStates" { 3 } else { 1 };
        let mut message = Vec::new();
        prost::encoding::message::encode(field, &status, &mut message);
        message
    };
    let mut framed = BytesMut::with_capacity(message.len() + 5);
    framed.put_u8(0);
    framed.put_u32(message.len() as u32);
    framed.put_slice(&message);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let body = Full::new(framed.freeze()).with_trailers(async { Some(Ok(trailers)) });
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// Everything that is not gRPC.
fn rest_comes_later(path: &str) -> Response<Body> {
    let code = Code::Unimplemented;
    let message = format!("{}: REST comes later, this port serves Milvus's gRPC: {path}", code.text());
    let body = serde_json::json!({ "code": code.number(), "message": message }).to_string();
    let mut response = Response::new(Body::new(Full::new(Bytes::from(body))));
    *response.status_mut() = StatusCode::NOT_IMPLEMENTED;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
