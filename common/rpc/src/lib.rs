//! How roles and clients talk: the byte codec and the services between roles.
//!
//! The only crate that names bincode. It does *not* decide anything: a service trait here says what one role may
//! ask of another; the role behind it may be in this process (local) or on another node (remote, later).

pub mod codec;
pub mod services;
