//! The metastore machine (in progress).
