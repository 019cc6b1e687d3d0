//! Reading views: against a naive twin, wrong requests, and while apply writes.

mod beside;
mod cancels;
mod explain;
mod fakes;
mod groups;
mod interim;
mod missing;
mod pages;
mod ranges;
mod requests;
mod scalars;
mod twin;
