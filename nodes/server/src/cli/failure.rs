//! How a command ends that does not end well: what it says, and its exit code.
//!
//! ```text
//! 0  done, or all is well
//! 1  it failed, or the node does not serve or is not well
//! 2  the command line is wrong: an option cannot be understood, or names what its file does not have
//! 3  it serves, but not everything: a group has no leader, or a node does not answer
//! ```

/// See the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// For standard error.
    pub words: String,
    /// Exit code.
    pub code: u8,
}

impl Failure {
    /// The options are wrong: nothing was begun.
    pub fn options(words: impl Into<String>) -> Failure {
        Failure { words: words.into(), code: 2 }
    }

    /// Whether part of it is missing, and not all.
    pub fn is_partial(&self) -> bool {
        self.code == 3
    }

    /// Not everything: what is asked for was shown, and it says that somebody should look.
    pub fn partial(words: impl Into<String>) -> Failure {
        Failure { words: words.into(), code: 3 }
    }
}

impl From<String> for Failure {
    fn from(words: String) -> Failure {
        Failure { words, code: 1 }
    }
}
