//! Reading views: against a naive twin, wrong requests, and while apply writes.

mod groups;
mod interim;
mod pages;
mod requests;
mod twin;
