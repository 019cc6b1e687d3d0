//! The answering side.

use super::{FileRange, GroupFiles, RANGE_BYTES_MAX};
use crate::codec;
use crate::peer::{CallLimits, Frame, PeerStream, serve_calls};
use bytes::Bytes;
use futures::FutureExt;
use std::io;
use std::sync::Arc;
use vecraft_types::{Error, Result};

/// The range follows.
pub(super) const RANGE: u8 = 0;
/// Why there is none follows.
pub(super) const REFUSED: u8 = 1;

/// A question is a path and three numbers.
const QUESTION_BYTES_MAX: usize = 64 << 10;
/// Ranges read for one peer at once: with their size, what it can make us hold.
const UNDER_WAY_MAX: usize = 16;

/// Answers one peer on the files channel until its connection ends.
///
/// # Errors
/// When the connection breaks or breaks the rules.
pub async fn serve_files(stream: PeerStream, files: Arc<dyn GroupFiles>) -> io::Result<()> {
    let limits = CallLimits {
        frame_bytes_max: QUESTION_BYTES_MAX,
        under_way_bytes_max: QUESTION_BYTES_MAX,
        under_way_max: UNDER_WAY_MAX,
        ..CallLimits::default()
    };
    let handle = move |question: Bytes| {
        let files = files.clone();
        async move { frame(answer(files.as_ref(), &question).await) }.boxed()
    };
    serve_calls(stream, limits, handle).await
}

async fn answer(files: &dyn GroupFiles, question: &[u8]) -> Result<Bytes> {
    let range: FileRange = codec::decode(question)
        .map_err(|error| Error::invalid(format!("that is no question for a file: {error}")))?;
    if range.bytes > RANGE_BYTES_MAX {
        let text = format!("{} bytes of {} at once, at most {RANGE_BYTES_MAX}", range.bytes, range.path);
        return Err(Error::invalid(text));
    }
    files.read(range).await
}

fn frame(answer: Result<Bytes>) -> Frame {
    let (kind, part) = match answer {
        Ok(bytes) => (RANGE, bytes),
        // An error that cannot be encoded is told by an empty one.
        Err(error) => (REFUSED, codec::encode(&error).unwrap_or_default().into()),
    };
    let mut frame = Frame::new(vec![kind]);
    frame.push(part);
    frame
}
