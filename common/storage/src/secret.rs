//! Reading a secret that an operator put into a file.

use crate::{Error, Result};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Longest secret. A larger file is something else.
const BYTES_MAX: u64 = 4_096;

/// Reads a secret's file, which only its owner may read.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Io`]: not there, not readable, readable by others, or too large.
pub fn read_secret(path: &Path) -> Result<Vec<u8>> {
    let shown = path.display().to_string();
    let io = |source| Error::from_io("read", &shown, source);
    let about = std::fs::metadata(path).map_err(io)?;
    let refuse =
        |why: String| Err(Error::Io { op: "read", path: shown.clone(), source: std::io::Error::other(why) });
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return refuse(format!("its mode is {mode:03o}, others could read the secret: chmod 600 it"));
    }
    if about.len() > BYTES_MAX {
        return refuse(format!("it has {} bytes, a secret has at most {BYTES_MAX}", about.len()));
    }
    std::fs::read(path).map_err(io)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        assert!(matches!(read_secret(&path), Err(Error::NotFound { .. })));
        std::fs::write(&path, "sixteen bytes or more").unwrap();
        let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        mode(0o644);
        assert!(read_secret(&path).unwrap_err().to_string().contains("chmod 600"));
        mode(0o600);
        assert_eq!(read_secret(&path).unwrap(), b"sixteen bytes or more");
    }
}
