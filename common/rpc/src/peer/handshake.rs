//! May these two talk? The handshake of both ends, over any byte stream. Limits of time are the caller's.
//!
//! The listener proves itself first: a dialer that was led to a stranger's address gives nothing away. Each proof
//! covers both hellos with both nonces, so a recorded one is worthless.

use super::hello::{
    ANSWER_BYTES, ANSWER_HEAD_BYTES, Answer, Channel, HELLO_BYTES, Hello, NotHello, Refusal, VERSION,
    verdict, verdict_code,
};
use super::identity::{Identity, PROOF_BYTES, Side, Trust};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use vecraft_types::NodeId;

/// How a handshake ends badly.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// One end said no, with this reason.
    #[error("{0}")]
    Refused(Refusal),
    /// The other end speaks another version of the protocol between nodes: it is of another build.
    #[error("wrong version of the protocol between nodes: theirs is {0}, this program speaks {VERSION}")]
    Version(u16),
    /// The other end speaks something else.
    #[error("the other end does not speak our protocol")]
    Foreign,
    /// The connection broke.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// The dialer's end: asks for `channel` at node `to`; answers the listener's feature level.
///
/// # Errors
/// [`Failed`]; the stream is then of no use.
pub async fn dial<S>(
    stream: &mut S,
    me: &Identity,
    to: NodeId,
    channel: Channel,
    lane: u8,
) -> Result<u32, Failed>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let secret = match &me.trust {
        Trust::Secret(secret) => Some(secret),
        Trust::Open => None,
    };
    let hello = Hello {
        cluster: me.cluster,
        from: me.node,
        to,
        channel: Some(channel),
        lane,
        level: me.level,
        has_secret: secret.is_some(),
        nonce: me.nonce(),
    };
    let hello = hello.encode();
    stream.write_all(&hello).await?;
    stream.flush().await?;

    let mut bytes = [0; ANSWER_BYTES];
    stream.read_exact(&mut bytes).await?;
    let (head, shown) = parts(&bytes);
    let answer = match Answer::decode(&head) {
        Ok(answer) => answer,
        Err(NotHello::Version(theirs)) => return Err(Failed::Version(theirs)),
        Err(NotHello::Magic) => return Err(Failed::Foreign),
    };
    if let Some(reason) = answer.refused {
        return Err(Failed::Refused(reason));
    }
    if let Some(secret) = secret {
        if !secret.is_proof(Side::Listener, &[&hello, &head], &shown) {
            return Err(Failed::Refused(Refusal::WrongSecret));
        }
        stream.write_all(&secret.proof(Side::Dialer, &[&hello, &head])).await?;
        stream.flush().await?;
    }
    match verdict(stream.read_u8().await?) {
        Some(reason) => Err(Failed::Refused(reason)),
        None => Ok(answer.level),
    }
}

/// The listener's end: judges who comes in; `serves` says which channels there are.
///
/// # Errors
/// [`Failed`], with whatever is known of the peer for the log; a refused peer has been told why.
pub async fn accept<S>(
    stream: &mut S,
    me: &Identity,
    serves: impl Fn(Channel) -> bool,
) -> Result<(Hello, Channel), (Option<NodeId>, Failed)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let anonymous = |error: io::Error| (None, Failed::Io(error));
    let mut bytes = [0; HELLO_BYTES];
    stream.read_exact(&mut bytes).await.map_err(anonymous)?;
    let hello = match Hello::decode(&bytes) {
        Ok(hello) => hello,
        // Not ours: no word back, so that a scanner learns nothing.
        Err(NotHello::Magic) => return Err((None, Failed::Foreign)),
        Err(NotHello::Version(theirs)) => {
            say(stream, me, Some(Refusal::WrongVersion), &bytes).await.map_err(anonymous)?;
            return Err((None, Failed::Version(theirs)));
        }
    };
    let from = hello.from;
    match judge(&hello, me, serves) {
        Err(reason) => {
            say(stream, me, Some(reason), &bytes).await.map_err(|e| (Some(from), e.into()))?;
            Err((Some(from), Failed::Refused(reason)))
        }
        Ok(channel) => match prove(stream, me, &bytes).await {
            Ok(()) => Ok((hello, channel)),
            Err(failed) => Err((Some(from), failed)),
        },
    }
}

/// The order is the one in which an operator wants to hear it.
fn judge(hello: &Hello, me: &Identity, serves: impl Fn(Channel) -> bool) -> Result<Channel, Refusal> {
    if hello.cluster != me.cluster && hello.channel != Some(Channel::Forming) {
        // Nodes that form a cluster learn its id one after another.
        return Err(if me.cluster == 0 { Refusal::NotYet } else { Refusal::WrongCluster });
    }
    if hello.to != me.node {
        return Err(Refusal::WrongNode);
    }
    if hello.from == me.node {
        return Err(Refusal::SameNode);
    }
    if hello.has_secret != matches!(me.trust, Trust::Secret(_)) {
        return Err(Refusal::SecretNeeded);
    }
    hello.channel.filter(|channel| serves(*channel)).ok_or(Refusal::UnknownChannel)
}

/// Sends the answer and returns its head.
async fn say<S: AsyncWrite + Unpin>(
    stream: &mut S,
    me: &Identity,
    refused: Option<Refusal>,
    hello: &[u8; HELLO_BYTES],
) -> io::Result<[u8; ANSWER_HEAD_BYTES]> {
    let head = Answer { refused, level: me.level, nonce: me.nonce() }.encode();
    let proof = match &me.trust {
        Trust::Secret(secret) if refused.is_none() => secret.proof(Side::Listener, &[hello, &head]),
        _ => [0; PROOF_BYTES],
    };
    stream.write_all(&[&head[..], &proof[..]].concat()).await?;
    stream.flush().await?;
    Ok(head)
}

async fn prove<S>(stream: &mut S, me: &Identity, hello: &[u8; HELLO_BYTES]) -> Result<(), Failed>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let head = say(stream, me, None, hello).await?;
    let mut refused = None;
    if let Trust::Secret(secret) = &me.trust {
        let mut shown = [0; PROOF_BYTES];
        stream.read_exact(&mut shown).await?;
        let is_member = secret.is_proof(Side::Dialer, &[hello, &head], &shown);
        refused = (!is_member).then_some(Refusal::WrongSecret);
    }
    stream.write_all(&[verdict_code(refused)]).await?;
    stream.flush().await?;
    refused.map_or(Ok(()), |reason| Err(Failed::Refused(reason)))
}

fn parts(bytes: &[u8; ANSWER_BYTES]) -> ([u8; ANSWER_HEAD_BYTES], [u8; PROOF_BYTES]) {
    let (mut head, mut proof) = ([0; ANSWER_HEAD_BYTES], [0; PROOF_BYTES]);
    head.copy_from_slice(&bytes[..ANSWER_HEAD_BYTES]);
    proof.copy_from_slice(&bytes[ANSWER_HEAD_BYTES..]);
    (head, proof)
}
