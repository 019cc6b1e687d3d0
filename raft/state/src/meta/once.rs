//! A change that is done once, however often its request comes (I10).
//!
//! Something that is made under a name can be dropped by another user before its maker, who heard no answer, asks again.
//! Looking at the name then says "not there", and it would be made a second time. So a request has a name of its own, given
//! before the first try, and what it did is remembered here, as the shards remember writes.

use super::{MetaChange, MetaOutcome, MetaState};
use crate::answers::{AnswerWindow, Seen};
use vecraft_types::{Code, CollectionId, DdlPhase, Error, RequestId, Result, Timestamp};

/// Requests remembered. A retry comes within its call's deadline; one that comes after so many others have been done is
/// refused as unknown.
const ANSWERS_MAX: usize = 4_096;
/// Clients of which it is remembered that answers of theirs are not.
const CLIENTS_MAX: usize = 1_024;

/// What the last requests did.
pub type MetaRequests = AnswerWindow<MetaOutcome, ANSWERS_MAX, CLIENTS_MAX>;

impl MetaState {
    /// Does the change, or says what came of it when the request was done before.
    pub(super) fn once(
        &mut self,
        at: Timestamp,
        request: RequestId,
        change: MetaChange,
    ) -> (Option<CollectionId>, Result<MetaOutcome>) {
        match self.requests.look_up(&request) {
            Seen::Answered(outcome) => (None, Ok(self.as_it_stands(outcome))),
            Seen::BelowFloor => {
                let text = "the request is older than what is remembered: it may have been done";
                (None, Err(Error::new(Code::OutcomeUnknown, text).unanswered()))
            }
            Seen::New => {
                let (collection, outcome) = self.change(at, change);
                // What was refused did nothing: the same request may be tried again when the reason is gone.
                if let Ok(done) = &outcome {
                    self.requests.record(request, done.clone());
                }
                (collection, outcome)
            }
        }
    }

    /// A collection goes on living after it was made.
    fn as_it_stands(&self, outcome: MetaOutcome) -> MetaOutcome {
        match outcome {
            MetaOutcome::Collection { id, .. } => {
                let phase = self.collection(id).map_or(DdlPhase::Dropping, |row| row.phase);
                MetaOutcome::Collection { id, phase }
            }
            other => other,
        }
    }

    /// What the last requests did.
    pub fn requests(&self) -> &MetaRequests {
        &self.requests
    }
}
