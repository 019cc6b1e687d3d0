//! Reading views: against a naive twin, wrong requests, and while apply writes.

mod groups;
mod requests;
mod twin;
