//! Reading a view: search, scan, count, keys, fetch.
