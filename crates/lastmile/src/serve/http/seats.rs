//! Who may be connected at the same time: so many in all, and so many from one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;

/// What one customer is usually given of IPv6 (RFC 6177): its addresses count as one.
const V6_PREFIX_BITS: u32 = 64;

/// The seats of a listener.
#[derive(Debug)]
pub(super) struct Seats {
    in_all: usize,
    of_one: usize,
    /// Many people come from these addresses.
    shared: Vec<IpNet>,
    taken: Mutex<Taken>,
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Taken {
    in_all: usize,
    by_origin: HashMap<IpAddr, usize>,
}

/// A seat that is taken until it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    origin: IpAddr,
}

impl Seats {
    /// Behind the `shared` addresses, and on this machine, are many clients: no limit for one.
    pub(super) fn new(in_all: usize, of_one: usize, shared: Vec<IpNet>) -> Self {
        Self {
            in_all,
            of_one,
            shared,
            taken: Mutex::default(),
            refused: AtomicU64::new(0),
        }
    }

    /// Takes a seat for a client; `None` when there is none for it.
    pub(super) fn take(self: &Arc<Self>, client: IpAddr) -> Option<Seat> {
        let client = client.to_canonical();
        let origin = origin_of(client);
        let is_shared = client.is_loopback() || self.shared.iter().any(|net| net.contains(&client));
        let mut taken = self.lock();
        let of_origin = taken.by_origin.get(&origin).copied().unwrap_or(0);
        if self.in_all <= taken.in_all || (!is_shared && self.of_one <= of_origin) {
            drop(taken);
            self.refused.fetch_add(1, Relaxed);
            return None;
        }
        taken.in_all += 1;
        taken.by_origin.insert(origin, of_origin + 1);
        drop(taken);
        Some(Seat {
            seats: Arc::clone(self),
            origin,
        })
    }

    /// Clients for whom there was no seat.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// Seats that are taken.
    pub(super) fn taken(&self) -> usize {
        self.lock().in_all
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.lock();
        taken.in_all = taken.in_all.saturating_sub(1);
        if let Some(count) = taken.by_origin.get_mut(&self.origin) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.by_origin.remove(&self.origin);
            }
        }
    }
}

fn origin_of(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(address) => {
            let host_bits = u128::BITS - V6_PREFIX_BITS;
            Ipv6Addr::from_bits(address.to_bits() >> host_bits << host_bits).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(in_all: usize, of_one: usize, clients: &[(&str, bool)]) {
        let shared = vec!["10.9.0.0/16".parse().unwrap()];
        let seats = Arc::new(Seats::new(in_all, of_one, shared));
        let mut held = Vec::new();
        for (client, is_seated) in clients {
            let seat = seats.take(client.parse().unwrap());
            assert_eq!(seat.is_some(), *is_seated, "{client}");
            held.extend(seat);
        }
        assert_eq!(seats.taken(), held.len());
        let refused = clients.iter().filter(|(_, is_seated)| !is_seated).count();
        assert_eq!(seats.refused(), refused as u64);
        held.clear();
        assert_eq!(seats.taken(), 0);
        assert!(seats.lock().by_origin.is_empty());
    }

    #[test]
    fn one_address_does_not_take_the_seats_of_others() {
        check(
            5,
            2,
            &[
                ("192.0.2.1", true),
                ("192.0.2.1", true),
                ("192.0.2.1", false),
                ("::ffff:192.0.2.1", false),
                ("192.0.2.2", true),
            ],
        );
    }

    #[test]
    fn a_network_of_a_customer_is_one_address() {
        check(
            5,
            1,
            &[
                ("2001:db8::1", true),
                ("2001:db8::2:0:0:1", false),
                ("2001:db8:0:1::1", true),
            ],
        );
    }

    #[test]
    fn who_stands_for_many_is_bound_by_all_the_seats_only() {
        check(
            4,
            1,
            &[
                ("127.0.0.1", true),
                ("127.0.0.1", true),
                ("10.9.1.1", true),
                ("10.9.1.1", true),
                ("10.9.1.1", false),
                ("127.0.0.1", false),
                ("192.0.2.1", false),
            ],
        );
    }
}
