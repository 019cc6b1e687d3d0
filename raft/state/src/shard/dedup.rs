//! The window of a shard's answers (I10).

use super::ShardReply;
use crate::answers::AnswerWindow;

/// Answers kept a shard.
const ANSWERS_MAX: usize = 8_192;
/// Clients whose floor is kept a shard. The one that is forgotten had no answer leave the window while 4,096 others had:
/// for a retry of its to be taken for new, so many processes must write into one shard while a single request waits.
const CLIENTS_MAX: usize = 4_096;

/// The last answers of a shard, by request.
pub type DedupWindow = AnswerWindow<ShardReply, ANSWERS_MAX, CLIENTS_MAX>;
