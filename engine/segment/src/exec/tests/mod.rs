//! Reading views: against a naive twin, wrong requests, and while apply writes.

mod requests;
mod twin;
