//! How a command ends that does not end well: what it says, and its exit code.
//!
//! ```text
//! 0  done, or all is well
//! 1  it failed, or the node does not serve or is not well
//! 2  the command line is wrong (said by the parser of the options)
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
