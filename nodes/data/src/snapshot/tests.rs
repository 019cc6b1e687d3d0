#![allow(clippy::unwrap_used)]

mod crash;
mod pulling;
mod rig;
mod transfer;
