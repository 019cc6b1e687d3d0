//! The bytes of tarpc's messages, written by our own codec.
//!
//! ```text
//! frame    length u32 big-endian | codec version u8 | bincode of Question or Answer
//! ```
//! tarpc's types do not go onto the wire themselves, for two reasons. Their deadline is a free duration: adding a
//! hostile one to the clock panics; ours is bounded when it is read. And a message over the frame limit would
//! close the connection without a word; ours becomes a refusal of that one call, in both directions: a question
//! keeps its id at its front, so that one that is skipped can be answered.

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
use vecraft_types::limits::{MESSAGE_BYTES_CEILING, MESSAGE_BYTES_MAX};

/// What a frame may have beside its message.
pub const ENVELOPE_BYTES: usize = 64 << 10;
/// Largest answer, and largest question of a door that was not told otherwise.
pub const FRAME_BYTES_MAX: usize = MESSAGE_BYTES_MAX + ENVELOPE_BYTES;
/// No frame is larger. A client sends up to this, the door behind says what it takes.
pub const FRAME_BYTES_CEILING: usize = MESSAGE_BYTES_CEILING + ENVELOPE_BYTES;
/// The front of a question in which its id is found.
pub(crate) const HEAD_BYTES: usize = 32;
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

/// Turns tarpc's messages into frames and back. Stateless. (The client door has a framing of its own.)
#[derive(Clone, Copy, Debug, Default)]
pub struct WireCodec;

fn checked(bytes: Vec<u8>, max: usize) -> io::Result<Bytes> {
    if bytes.len() > max {
        let text = format!("a message of {} bytes, at most {max} are allowed", bytes.len());
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
        checked(codec::encode(&question).map_err(malformed)?, FRAME_BYTES_CEILING)
    }
}

/// What a client sent, as the door reads it.
pub(crate) fn read_question<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<ClientMessage<T>> {
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

/// What a door answers. One that no client would take becomes a refusal of that call.
pub(crate) fn write_answer<T: Serialize>(response: &Response<T>) -> io::Result<Bytes> {
    let id = response.request_id;
    let result = response.message.as_ref().map_err(Refusal::from);
    match checked(codec::encode(&Answer { id, result }).map_err(malformed)?, FRAME_BYTES_MAX) {
        Err(error) => write_refusal(id, Refusal::TooLarge(format!("the answer is {error}"))),
        fits => fits,
    }
}

impl<T: DeserializeOwned> Deserializer<ClientMessage<T>> for WireCodec {
    type Error = io::Error;

    fn deserialize(self: Pin<&mut Self>, bytes: &BytesMut) -> io::Result<ClientMessage<T>> {
        read_question(bytes)
    }
}

impl<T: Serialize> Serializer<Response<T>> for WireCodec {
    type Error = io::Error;

    fn serialize(self: Pin<&mut Self>, response: &Response<T>) -> io::Result<Bytes> {
        write_answer(response)
    }
}

/// Why a question was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is longer than this door takes.
    TooLong { max: usize },
    /// All requests that arrive at this door may have so many bytes together, and have them.
    NoRoom { max: u64 },
}

/// The answer to a question of so many bytes that was not read, but for its front.
///
/// # Errors
/// When the front is not that of a question that could be answered.
pub(crate) fn refuse_unread(head: &[u8], bytes: usize, why: Unread) -> io::Result<Bytes> {
    // The number of the variant, as bincode writes it, and the id, which every variant has first.
    let ((variant, id), _) = codec::decode_start::<(u32, u64)>(head).map_err(malformed)?;
    if variant != 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a long message that asks nothing"));
    }
    let refusal = match why {
        Unread::TooLong { max } => {
            let text = format!("the request has {bytes} bytes, at most {max} are allowed: send fewer rows");
            Refusal::TooLarge(text)
        }
        Unread::NoRoom { max } => Refusal::Busy(format!(
            "no room for a request of {bytes} bytes: those that arrive now have {} MiB together, which is the limit; send it again",
            max >> 20
        )),
    };
    write_refusal(id, refusal)
}

fn write_refusal(id: u64, refusal: Refusal) -> io::Result<Bytes> {
    checked(codec::encode(&Answer::<()> { id, result: Err(refusal) }).map_err(malformed)?, FRAME_BYTES_MAX)
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
