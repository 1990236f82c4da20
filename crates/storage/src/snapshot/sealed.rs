//! The octets of a snapshot: a head, then chunks that are sealed so that none can be changed,
//! exchanged, left out or added.
//!
//! The head is eight letters, a version, the id of the key, and 19 random octets. The nonce of a
//! chunk is those octets, its number, and whether it is the last one (the STREAM construction of
//! Hoang, Reyhanitabar, Rogaway and Vizár, 2015); the head is the associated data. Before each
//! chunk is its length in four octets, whose highest bit is set at the last one.

use std::io::{self, Read, Write};

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::key_ring::{KeyId, KeyRing, KeyRingError};

/// The layout of the head, the chunks and the entries in them.
pub(super) const VERSION: u32 = 4;

const MAGIC: [u8; 8] = *b"lastmile";
const PREFIX_LEN: usize = 19;
const HEAD_LEN: usize = MAGIC.len() + 4 + 4 + PREFIX_LEN;
const TAG_LEN: usize = 16;
/// A chunk is sealed when it has so much in it.
const CHUNK_LEN: usize = 64 << 10;
/// No chunk of ours is longer.
const CHUNK_LEN_MAX: usize = 1 << 20;
const LAST: u32 = 1 << 31;

/// Why the octets were refused.
#[derive(Debug)]
pub(super) enum Refusal {
    Version(u32),
    KeyRing(KeyRingError),
    Damaged,
    Io(io::Error),
}

/// What every chunk of one file has in common.
struct Seal {
    cipher: XChaCha20Poly1305,
    head: [u8; HEAD_LEN],
    number: u32,
}

impl Seal {
    /// The nonce of the next chunk.
    fn nonce(&mut self, is_last: bool) -> io::Result<XNonce> {
        let mut nonce = [0; PREFIX_LEN + 5];
        nonce[..PREFIX_LEN].copy_from_slice(&self.head[HEAD_LEN - PREFIX_LEN..]);
        nonce[PREFIX_LEN..PREFIX_LEN + 4].copy_from_slice(&self.number.to_be_bytes());
        nonce[PREFIX_LEN + 4] = is_last.into();
        let next = self.number.checked_add(1);
        self.number = next.ok_or_else(|| io::Error::other("too many chunks"))?;
        Ok(XNonce::from(nonce))
    }
}

/// Seals entries into a file.
pub(super) struct SealedWriter<W> {
    out: W,
    seal: Seal,
    chunk: Zeroizing<Vec<u8>>,
}

impl<W: Write> SealedWriter<W> {
    pub(super) fn new(out: W, keys: &KeyRing) -> Self {
        let (id, cipher) = keys.newest();
        let mut head = [0; HEAD_LEN];
        let (magic, rest) = head.split_at_mut(MAGIC.len());
        magic.copy_from_slice(&MAGIC);
        rest[..4].copy_from_slice(&VERSION.to_be_bytes());
        rest[4..8].copy_from_slice(&id.0.to_be_bytes());
        rest[8..].copy_from_slice(&rand::random::<[u8; PREFIX_LEN]>());
        Self {
            out,
            seal: Seal {
                cipher: cipher.clone(),
                head,
                number: 0,
            },
            // Room for an entry beyond the length at which it is sealed, so that it does not move.
            chunk: Zeroizing::new(Vec::with_capacity(2 * CHUNK_LEN)),
        }
    }

    /// Adds an entry; no entry is cut between two chunks.
    pub(super) fn write(&mut self, entry: &impl Serialize) -> io::Result<()> {
        postcard::to_io(entry, &mut *self.chunk).map_err(io::Error::other)?;
        if CHUNK_LEN <= self.chunk.len() {
            self.seal_chunk(false)?;
        }
        Ok(())
    }

    /// Seals what is left as the last chunk.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.seal_chunk(true)?;
        Ok(self.out)
    }

    fn seal_chunk(&mut self, is_last: bool) -> io::Result<()> {
        let is_first = self.seal.number == 0;
        let nonce = self.seal.nonce(is_last)?;
        let Seal { cipher, head, .. } = &self.seal;
        let sealed = cipher.encrypt_in_place(&nonce, head, &mut *self.chunk);
        sealed.map_err(io::Error::other)?;
        if CHUNK_LEN_MAX < self.chunk.len() {
            return Err(io::Error::other("an entry is too long"));
        }
        let len = u32::try_from(self.chunk.len()).map_err(io::Error::other)?;
        let mark = if is_last { LAST } else { 0 };
        if is_first {
            self.out.write_all(head)?;
        }
        self.out.write_all(&(len | mark).to_be_bytes())?;
        self.out.write_all(&self.chunk)?;
        self.chunk.clear();
        Ok(())
    }
}

impl<W> std::fmt::Debug for SealedWriter<W> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SealedWriter")
            .field("chunks", &self.seal.number)
            .finish_non_exhaustive()
    }
}

/// Opens one chunk after the other.
pub(super) struct SealedReader<R> {
    input: R,
    seal: Seal,
    chunk: Zeroizing<Vec<u8>>,
    is_at_end: bool,
}

impl<R: Read> SealedReader<R> {
    pub(super) fn new(mut input: R, keys: &KeyRing) -> Result<Self, Refusal> {
        let mut head = [0; HEAD_LEN];
        read_exact(&mut input, &mut head)?;
        let word = |at: usize| {
            let octets = head[at..at + 4].try_into().expect("four octets");
            u32::from_be_bytes(octets)
        };
        let (version, key) = (word(MAGIC.len()), KeyId(word(MAGIC.len() + 4)));
        if head[..MAGIC.len()] != MAGIC {
            return Err(Refusal::Damaged);
        }
        if version != VERSION {
            return Err(Refusal::Version(version));
        }
        let cipher = keys.find(key).cloned().ok_or_else(|| {
            Refusal::KeyRing(KeyRingError::UnknownKey {
                id: key.0,
                path: keys.path().into(),
            })
        })?;
        Ok(Self {
            input,
            seal: Seal {
                cipher,
                head,
                number: 0,
            },
            chunk: Zeroizing::new(Vec::with_capacity(2 * CHUNK_LEN)),
            is_at_end: false,
        })
    }

    /// What the last call of [`Self::advance`] opened.
    pub(super) fn chunk(&self) -> &[u8] {
        &self.chunk
    }

    /// Opens the next chunk; `false` after the last one, if nothing follows it.
    pub(super) fn advance(&mut self) -> Result<bool, Refusal> {
        self.chunk.clear();
        if self.is_at_end {
            return match self.input.read(&mut [0]) {
                Ok(0) => Ok(false),
                Ok(_) => Err(Refusal::Damaged),
                Err(problem) => Err(Refusal::Io(problem)),
            };
        }
        let mut word = [0; 4];
        read_exact(&mut self.input, &mut word)?;
        let word = u32::from_be_bytes(word);
        let is_last = word & LAST != 0;
        let len = (word & !LAST) as usize;
        if !(TAG_LEN..=CHUNK_LEN_MAX).contains(&len) {
            return Err(Refusal::Damaged);
        }
        self.chunk.resize(len, 0);
        read_exact(&mut self.input, &mut self.chunk)?;
        let nonce = self.seal.nonce(is_last).map_err(Refusal::Io)?;
        let Seal { cipher, head, .. } = &self.seal;
        let opened = cipher.decrypt_in_place(&nonce, head, &mut *self.chunk);
        if opened.is_err() {
            self.chunk.clear();
            return Err(Refusal::Damaged);
        }
        self.is_at_end = is_last;
        Ok(true)
    }
}

/// A file that ends too early is a damaged one.
fn read_exact(input: &mut impl Read, octets: &mut [u8]) -> Result<(), Refusal> {
    input.read_exact(octets).map_err(|problem| {
        if problem.kind() == io::ErrorKind::UnexpectedEof {
            Refusal::Damaged
        } else {
            Refusal::Io(problem)
        }
    })
}
