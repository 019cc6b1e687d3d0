#![allow(clippy::unwrap_used)]
//! The planner alone, and the role over real segments on a disk that loses power on request.

mod clean_up;
mod ledger;
mod naming;
mod planning;
mod rig;
mod role;
