//! The bytes of tarpc's messages, written by our own codec.
//!
//! ```text
//! frame    length u32 big-endian | codec version u8 | bincode of Question or Answer
//! ```
//! tarpc's types do not go onto the wire themselves, for two reasons. Their deadline is a free duration: adding a
//! hostile one to the clock panics; ours is bounded when it is read. And an answer over the frame limit would
//! close the connection without a word; ours becomes a refusal of that one call.

use crate::codec;
use bytes::{Bytes, BytesMut};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;
use std::pin::Pin;
use std::time::Duration;
use tarpc::tokio_serde::{Deserializer, Serializer};
use tarpc::{ClientMessage, Request, Response, ServerError, context, trace};
use tokio::time::Instant;
use vecraft_types::limits::MESSAGE_BYTES_MAX;

/// Largest frame: the largest message and room for its envelope.
pub const FRAME_BYTES_MAX: usize = MESSAGE_BYTES_MAX + (64 << 10);
/// Longest time a call may wait; longer wishes are cut to this.
pub const DEADLINE_MAX: Duration = Duration::from_secs(3_600);

/// What a client sends.
#[derive(Serialize, Deserialize)]
enum Question<T> {
    Ask { id: u64, deadline_ms: u64, trace: Trace, verb: T },
    Cancel { id: u64, trace: Trace },
}

#[derive(Serialize, Deserialize)]
struct Trace {
    id: u128,
    span: u64,
    is_sampled: bool,
}

/// What a server sends.
#[derive(Serialize, Deserialize)]
struct Answer<T> {
    id: u64,
    result: Result<T, Refusal>,
}

/// Why a call was not even tried, or its answer cannot be sent.
#[derive(Serialize, Deserialize)]
enum Refusal {
    Busy(String),
    TooLarge(String),
    Other(String),
}

/// Turns tarpc's messages into frames and back. Stateless; both sides use it.
#[derive(Clone, Copy, Debug, Default)]
pub struct WireCodec;

fn checked(bytes: Vec<u8>) -> io::Result<Bytes> {
    if bytes.len() > FRAME_BYTES_MAX {
        let text = format!("a message of {} bytes, at most {FRAME_BYTES_MAX} are allowed", bytes.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(bytes.into())
}

fn malformed(error: codec::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

impl<T: Serialize> Serializer<ClientMessage<T>> for WireCodec {
    type Error = io::Error;

    fn serialize(self: Pin<&mut Self>, message: &ClientMessage<T>) -> io::Result<Bytes> {
        let question = match message {
            ClientMessage::Request(request) => Question::Ask {
                id: request.id,
                deadline_ms: left_ms(request.context.deadline),
                trace: Trace::from(&request.context.trace_context),
                verb: &request.message,
            },
            ClientMessage::Cancel { trace_context, request_id } => {
                Question::Cancel { id: *request_id, trace: Trace::from(trace_context) }
            }
            // The enum is open in tarpc; a kind of message we do not know must not be sent as another.
            _ => return Err(io::Error::new(io::ErrorKind::Unsupported, "unknown kind of tarpc message")),
        };
        checked(codec::encode(&question).map_err(malformed)?)
    }
}

impl<T: DeserializeOwned> Deserializer<ClientMessage<T>> for WireCodec {
    type Error = io::Error;

    fn deserialize(self: Pin<&mut Self>, bytes: &BytesMut) -> io::Result<ClientMessage<T>> {
        Ok(match codec::decode::<Question<T>>(bytes).map_err(malformed)? {
            Question::Ask { id, deadline_ms, trace, verb } => {
                let mut context = context::current();
                let wait = Duration::from_millis(deadline_ms).min(DEADLINE_MAX);
                context.deadline = (Instant::now() + wait).into_std();
                context.trace_context = trace.into();
                ClientMessage::Request(Request { context, id, message: verb })
            }
            Question::Cancel { id, trace } => {
                ClientMessage::Cancel { trace_context: trace.into(), request_id: id }
            }
        })
    }
}

impl<T: Serialize> Serializer<Response<T>> for WireCodec {
    type Error = io::Error;

    fn serialize(self: Pin<&mut Self>, response: &Response<T>) -> io::Result<Bytes> {
        let id = response.request_id;
        let result = response.message.as_ref().map_err(Refusal::from);
        let refused = match checked(codec::encode(&Answer { id, result }).map_err(malformed)?) {
            Err(error) => Refusal::TooLarge(format!("the answer is {error}")),
            fits => return fits,
        };
        checked(codec::encode(&Answer::<()> { id, result: Err(refused) }).map_err(malformed)?)
    }
}

impl<T: DeserializeOwned> Deserializer<Response<T>> for WireCodec {
    type Error = io::Error;

    fn deserialize(self: Pin<&mut Self>, bytes: &BytesMut) -> io::Result<Response<T>> {
        let answer: Answer<T> = codec::decode(bytes).map_err(malformed)?;
        Ok(Response { request_id: answer.id, message: answer.result.map_err(ServerError::from) })
    }
}

/// Milliseconds until a deadline, rounded up so that one that has not passed is never 0.
pub(crate) fn left_ms(deadline: std::time::Instant) -> u64 {
    let left = Instant::from_std(deadline).saturating_duration_since(Instant::now()).min(DEADLINE_MAX);
    u64::try_from(left.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX)
}

impl From<&ServerError> for Refusal {
    fn from(error: &ServerError) -> Refusal {
        match error.kind {
            io::ErrorKind::WouldBlock => Refusal::Busy(error.detail.clone()),
            io::ErrorKind::InvalidInput => Refusal::TooLarge(error.detail.clone()),
            _ => Refusal::Other(error.detail.clone()),
        }
    }
}

impl From<Refusal> for ServerError {
    fn from(refusal: Refusal) -> ServerError {
        match refusal {
            Refusal::Busy(detail) => ServerError::new(io::ErrorKind::WouldBlock, detail),
            Refusal::TooLarge(detail) => ServerError::new(io::ErrorKind::InvalidInput, detail),
            Refusal::Other(detail) => ServerError::new(io::ErrorKind::Other, detail),
        }
    }
}

impl From<&trace::Context> for Trace {
    fn from(context: &trace::Context) -> Trace {
        Trace {
            id: context.trace_id.into(),
            span: context.span_id.into(),
            is_sampled: context.sampling_decision == trace::SamplingDecision::Sampled,
        }
    }
}

impl From<Trace> for trace::Context {
    fn from(trace: Trace) -> trace::Context {
        let sampling_decision = match trace.is_sampled {
            true => trace::SamplingDecision::Sampled,
            false => trace::SamplingDecision::Unsampled,
        };
        trace::Context { trace_id: trace.id.into(), span_id: trace.span.into(), sampling_decision }
    }
}
