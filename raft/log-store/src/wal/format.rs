//! Bytes of the log: segment header, batch, record. Little-endian throughout.
//!
//! ```text
//! segment   header of 64 bytes, then batches back to back; the file name repeats generation and salt
//!   header  magic "VCWL" | version u32 | generation u64 | first batch's sequence u64 | salt u32 | zeros | crc u32 at 60
//! batch     magic u32 | crc u32 | sequence u64 | generation u64 | bytes of records u32 | number of records u32 | records
//!           the crc starts from the salt and covers everything after itself
//! record    length of body u32 | crc u32 of body, from the salt | body
//!   body    kind u8 | detail u8 | zero u16 | group u64 | replica u64 | term u64 | leader u64 | index u64 | payload
//! ```
//! `detail` is the entry's kind, or a flag: a vote's `committed`, or whether an optional entry id is there.

use bytes::Bytes;
use vecraft_types::{GroupId, ReplicaId};

use crate::record::{EntryId, EntryKind, GroupKey, LogEntry, Record, VoteState};

/// Version in every segment's header. A newer one is refused.
pub const FORMAT_VERSION: u32 = 1;

pub(super) const HEADER_BYTES: usize = 64;
pub(super) const BATCH_HEAD_BYTES: usize = 32;
pub(super) const FRAME_BYTES: usize = 8;
const BODY_HEAD_BYTES: usize = 44;
const SEGMENT_MAGIC: [u8; 4] = *b"VCWL";
const BATCH_MAGIC: [u8; 4] = *b"\xb7VCb";

const KIND_ENTRY: u8 = 1;
const KIND_VOTE: u8 = 2;
const KIND_COMMITTED: u8 = 3;
const KIND_TRUNCATE: u8 = 4;
const KIND_PURGE: u8 = 5;
const KIND_REMOVED: u8 = 6;
const KIND_OPEN: u8 = 7;
const KIND_COPY: u8 = 8;

/// Which segment, and what salts its checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentId {
    pub generation: u64,
    pub salt: u32,
}

impl SegmentId {
    pub(super) fn file_name(self) -> String {
        format!("{:016x}-{:08x}.wal", self.generation, self.salt)
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        let (generation, salt) = name.strip_suffix(".wal")?.split_once('-')?;
        if generation.len() != 16 || salt.len() != 8 {
            return None;
        }
        let generation = u64::from_str_radix(generation, 16).ok()?;
        Some(Self { generation, salt: u32::from_str_radix(salt, 16).ok()? })
    }
}

fn crc(salt: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(salt);
    hasher.update(bytes);
    hasher.finalize()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

pub(super) fn header(id: SegmentId, first_sequence: u64) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..4].copy_from_slice(&SEGMENT_MAGIC);
    bytes[4..8].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    bytes[8..16].copy_from_slice(&id.generation.to_le_bytes());
    bytes[16..24].copy_from_slice(&first_sequence.to_le_bytes());
    bytes[24..28].copy_from_slice(&id.salt.to_le_bytes());
    let sum = crc(id.salt, &bytes[..60]);
    bytes[60..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// What a segment's header says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Header {
    Ours { first_sequence: u64 },
    Newer { version: u32 },
    Bad,
}

pub(super) fn read_header(bytes: &[u8], id: SegmentId) -> Header {
    let Some(bytes) = bytes.get(..HEADER_BYTES) else { return Header::Bad };
    if bytes[..4] != SEGMENT_MAGIC || crc(id.salt, &bytes[..60]) != u32_at(bytes, 60) {
        return Header::Bad;
    }
    match u32_at(bytes, 4) {
        version if version > FORMAT_VERSION => Header::Newer { version },
        _ if u64_at(bytes, 8) != id.generation => Header::Bad,
        _ => Header::Ours { first_sequence: u64_at(bytes, 16) },
    }
}

/// Builds one batch in a buffer that is used again and again.
#[derive(Debug, Default)]
pub(super) struct BatchBuilder {
    bytes: Vec<u8>,
    count: u32,
    salt: u32,
}

impl BatchBuilder {
    /// Buffers above this size are given back after use.
    const KEEP_BYTES: usize = 16 << 20;

    pub(super) fn start(&mut self, id: SegmentId, sequence: u64) {
        if self.bytes.capacity() > Self::KEEP_BYTES {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.count = 0;
        self.salt = id.salt;
        self.bytes.extend_from_slice(&BATCH_MAGIC);
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&sequence.to_le_bytes());
        self.bytes.extend_from_slice(&id.generation.to_le_bytes());
        self.bytes.extend_from_slice(&[0; 8]);
    }

    /// Adds a record and returns where its frame starts inside the batch, and its length with the frame.
    pub(super) fn push(&mut self, key: GroupKey, record: &Record) -> (usize, u32) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; FRAME_BYTES]);
        encode_body(&mut self.bytes, key, record);
        let body = start + FRAME_BYTES;
        let len = (self.bytes.len() - body) as u32;
        let sum = crc(self.salt, &self.bytes[body..]);
        self.bytes[start..start + 4].copy_from_slice(&len.to_le_bytes());
        self.bytes[start + 4..body].copy_from_slice(&sum.to_le_bytes());
        self.count += 1;
        (start, len + FRAME_BYTES as u32)
    }

    pub(super) fn finish(&mut self) -> &[u8] {
        let len = (self.bytes.len() - BATCH_HEAD_BYTES) as u32;
        self.bytes[24..28].copy_from_slice(&len.to_le_bytes());
        self.bytes[28..32].copy_from_slice(&self.count.to_le_bytes());
        let sum = crc(self.salt, &self.bytes[8..]);
        self.bytes[4..8].copy_from_slice(&sum.to_le_bytes());
        &self.bytes
    }
}

/// Bytes a batch of these records takes.
pub(super) fn batch_bytes<'a>(records: impl Iterator<Item = &'a Record>) -> u64 {
    let body = |record: &Record| (FRAME_BYTES + BODY_HEAD_BYTES + record.payload_len()) as u64;
    BATCH_HEAD_BYTES as u64 + records.map(body).sum::<u64>()
}

fn encode_body(out: &mut Vec<u8>, key: GroupKey, record: &Record) {
    const NO_ID: EntryId = EntryId { term: 0, leader: ReplicaId(0), index: 0 };
    let optional = |id: &Option<EntryId>| (u8::from(id.is_some()), id.unwrap_or(NO_ID));
    let (kind, (detail, id), payload): (u8, (u8, EntryId), &[u8]) = match record {
        Record::Entry(entry) => (KIND_ENTRY, (entry_kind(entry.kind), entry.id), &entry.payload),
        Record::Copy(entry) => (KIND_COPY, (entry_kind(entry.kind), entry.id), &entry.payload),
        Record::Vote(vote) => (
            KIND_VOTE,
            (u8::from(vote.committed), EntryId { term: vote.term, leader: vote.leader, index: 0 }),
            &[],
        ),
        Record::Committed(id) => (KIND_COMMITTED, optional(id), &[]),
        Record::Truncate { after } => (KIND_TRUNCATE, optional(after), &[]),
        Record::Open { last } => (KIND_OPEN, optional(last), &[]),
        Record::Purge(id) => (KIND_PURGE, (0, *id), &[]),
        Record::Removed => (KIND_REMOVED, (0, NO_ID), &[]),
    };
    out.extend_from_slice(&[kind, detail, 0, 0]);
    for number in [key.group.0, key.replica.0, id.term, id.leader.0, id.index] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(payload);
}

fn entry_kind(kind: EntryKind) -> u8 {
    match kind {
        EntryKind::Blank => 0,
        EntryKind::Normal => 1,
        EntryKind::Membership => 2,
    }
}

/// Reads the record whose frame starts at `at`; `None` when anything does not check. Also returns the frame's end.
pub(super) fn read_record(bytes: &Bytes, at: usize, salt: u32) -> Option<(GroupKey, Record, usize)> {
    let frame = bytes.get(at..at.checked_add(FRAME_BYTES)?)?;
    let (len, sum) = (u32_at(frame, 0) as usize, u32_at(frame, 4));
    let start = at + FRAME_BYTES;
    let end = start.checked_add(len)?;
    let body = bytes.get(start..end)?;
    if len < BODY_HEAD_BYTES || crc(salt, body) != sum {
        return None;
    }
    let key = GroupKey { group: GroupId(u64_at(body, 4)), replica: ReplicaId(u64_at(body, 12)) };
    let id = EntryId { term: u64_at(body, 20), leader: ReplicaId(u64_at(body, 28)), index: u64_at(body, 36) };
    let detail = body[1];
    let optional = match detail {
        0 => Some(None),
        1 => Some(Some(id)),
        _ => None,
    };
    let entry = || {
        let kind = match detail {
            0 => EntryKind::Blank,
            1 => EntryKind::Normal,
            2 => EntryKind::Membership,
            _ => return None,
        };
        Some(LogEntry { id, kind, payload: bytes.slice(start + BODY_HEAD_BYTES..end) })
    };
    let record = match body[0] {
        KIND_ENTRY => Record::Entry(entry()?),
        KIND_COPY => Record::Copy(entry()?),
        KIND_VOTE => Record::Vote(VoteState { term: id.term, leader: id.leader, committed: detail == 1 }),
        KIND_COMMITTED => Record::Committed(optional?),
        KIND_TRUNCATE => Record::Truncate { after: optional? },
        KIND_OPEN => Record::Open { last: optional? },
        KIND_PURGE => Record::Purge(id),
        KIND_REMOVED => Record::Removed,
        _ => return None,
    };
    Some((key, record, end))
}

/// A batch whose checksum holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchView {
    pub sequence: u64,
    pub count: u32,
    /// Where its records begin and end in the file.
    pub records: (usize, usize),
}

/// Reads the batch at `at`; `None` when anything does not check.
pub(super) fn read_batch(bytes: &[u8], at: usize, id: SegmentId) -> Option<BatchView> {
    let head = bytes.get(at..at.checked_add(BATCH_HEAD_BYTES)?)?;
    if head[..4] != BATCH_MAGIC || u64_at(head, 16) != id.generation {
        return None;
    }
    let start = at + BATCH_HEAD_BYTES;
    let end = start.checked_add(u32_at(head, 24) as usize)?;
    if crc(id.salt, bytes.get(at + 8..end)?) != u32_at(head, 4) {
        return None;
    }
    Some(BatchView { sequence: u64_at(head, 8), count: u32_at(head, 28), records: (start, end) })
}

/// The first offset at or after `from` with a valid batch of a sequence of at least `sequence` (I6).
pub(super) fn find_batch(bytes: &[u8], from: usize, id: SegmentId, sequence: u64) -> Option<usize> {
    let mut at = from;
    while let Some(step) = bytes.get(at..)?.iter().position(|byte| *byte == BATCH_MAGIC[0]) {
        at += step;
        if read_batch(bytes, at, id).is_some_and(|batch| batch.sequence >= sequence) {
            return Some(at);
        }
        at += 1;
    }
    None
}
