//! A door's end of a client's connection, as tarpc wants it: questions come in, answers go out.
//!
//! Ours because of one case: a question that is too long, or for which there is no room just now, is skipped and answered
//! here, and neither tarpc nor the database hears of it. It decides nothing else.

use crate::arriving::Arriving;
use crate::database::{DatabaseServiceRequest, DatabaseServiceResponse};
use crate::framing::{Frame, Framing};
use crate::heard::Heard;
use crate::wire::{read_question, refuse_unread, write_answer};
use bytes::Bytes;
use futures::{Sink, SinkExt, Stream, StreamExt, ready};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tarpc::tokio_util::codec::Framed;
use tarpc::{ClientMessage, Response};
use tokio::net::TcpStream;

/// See the [module](self).
pub(crate) struct DoorEnd {
    frames: Framed<TcpStream, Framing>,
    /// A refusal that waits for room in the buffer of answers.
    refusal: Option<Bytes>,
}

impl DoorEnd {
    /// Frames an accepted socket; questions of more than `frame_bytes_max` bytes are refused, and those for which
    /// `arriving` has no room.
    ///
    /// # Errors
    /// When the socket's options cannot be set, which means that it is already closed.
    pub(crate) fn new(
        stream: TcpStream,
        frame_bytes_max: usize,
        arriving: Arc<Arriving>,
    ) -> io::Result<DoorEnd> {
        stream.set_nodelay(true)?;
        let frames = Framed::new(stream, Framing::new(frame_bytes_max, arriving));
        Ok(DoorEnd { frames, refusal: None })
    }

    /// What comes in, as it comes.
    pub(crate) fn heard(&self) -> Arc<Heard> {
        self.frames.codec().heard()
    }
}

impl Stream for DoorEnd {
    type Item = io::Result<ClientMessage<DatabaseServiceRequest>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.refusal.is_some() {
                ready!(self.frames.poll_ready_unpin(cx))?;
                if let Some(refusal) = self.refusal.take() {
                    // Whoever polls us for questions also flushes answers before it sleeps.
                    self.frames.start_send_unpin(refusal)?;
                }
            }
            match ready!(self.frames.poll_next_unpin(cx)) {
                Some(Ok(Frame::Whole(bytes, _room))) => return Poll::Ready(Some(read_question(&bytes))),
                Some(Ok(Frame::Unread { head, bytes, why })) => {
                    self.refusal = Some(refuse_unread(&head, bytes, why)?);
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl Sink<Response<DatabaseServiceResponse>> for DoorEnd {
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.frames.poll_ready_unpin(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, answer: Response<DatabaseServiceResponse>) -> io::Result<()> {
        let bytes = write_answer(&answer)?;
        self.frames.start_send_unpin(bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.frames.poll_flush_unpin(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.frames.poll_close_unpin(cx)
    }
}
