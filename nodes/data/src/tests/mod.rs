#![allow(clippy::unwrap_used)]
//! The role over a real group with one voter, on a disk and a store that lose power on request.

mod admin;
mod asked;
mod clean_up;
mod compaction;
mod damage;
mod deletes;
mod dice;
mod formats;
mod indexes;
mod moments;
mod rig;
mod strays;
