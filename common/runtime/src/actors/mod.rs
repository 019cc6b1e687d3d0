//! Roles as actors: a thin shell over actix.
//!
//! ```text
//!  caller --ask(message, timeout)--> RoleAddr --Asked<M>--> mailbox --> Handler<Asked<M>> on the role's arbiter
//!                                       ^                                    | Answer::now
//!                                       |                                    | Answer::on(main runtime, future)
//!                                       +------------- reply ----------------+
//!  guardian: actor ended by panic --> back off --> factory() --> same RoleAddr, fresh actor
//! ```
//!
//! - One actix system on a thread of its own, one arbiter (thread) per role, beside tokio's multi-thread
//!   runtime. A handler decides quickly and returns; what awaits or computes goes through [`Answer::on`] or a pool.
//! - A role has a fixed number of slots. A message holds one from `ask` until the work for it ended, so the
//!   mailbox *and* the work started from it are bounded; without a free slot the answer is [`AskError::Busy`].
//!   actix's own waiting send is avoided: on a full mailbox its future sleeps without a waker.
//! - A panic ends an actor for good and actix's supervisor does not bring it back, so the guardian does. When it
//!   happens too often the role is stopped and [`RoleAddr::ended`] says why; the server then decides.
//!
//! What this module does not do: it retries nothing (an actor that died took the outcome with it), and hot reads
//! do not pass here at all: they take the published view of a shard.

mod address;
mod asked;
mod guardian;
mod host;
#[cfg(test)]
mod tests;

pub use address::{AskError, RoleAddr, RoleEnd, RoleState};
pub use asked::{Answer, Asked};
pub use guardian::RolePolicy;
pub use host::{ActorHost, ActorHostError};
