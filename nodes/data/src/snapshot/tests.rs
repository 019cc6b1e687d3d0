#![allow(clippy::unwrap_used)]

mod crash;
mod offering;
mod pulling;
mod resuming;
mod rig;
mod transfer;
mod whole;
