#![allow(clippy::unwrap_used)]

mod crash;
mod pulling;
mod resuming;
mod rig;
mod transfer;
