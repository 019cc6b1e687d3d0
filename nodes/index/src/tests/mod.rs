#![allow(clippy::unwrap_used)]
//! The planner alone, and the role over real segments on a disk that loses power on request.

mod clean_up;
mod copies;
mod giving_up;
mod interim;
mod ledger;
mod naming;
mod peers;
mod planning;
mod rig;
mod role;
mod scalars;
mod squeeze;
