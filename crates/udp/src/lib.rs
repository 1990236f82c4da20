//! UDP sockets in batches: many datagrams a system call, answers from the address that was asked,
//! and what the kernel dropped counted.
//!
//! It knows nothing of what the datagrams say. [`socket`] opens, [`receive`] and [`send`] move
//! batches, with memory that is used again.

pub mod receive;
pub mod send;
pub mod socket;

mod address;

/// Datagrams of one system call.
pub const BATCH: usize = 64;

/// Octets of a datagram that are received; what is beyond is cut off.
pub const DATAGRAM_MAX: usize = 4_096;
