//! A spool in memory.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use aaa::port::{Parcel, PortError, Spool};
use domain::accounting::{AccountingRecord, Origin};

/// Takes no more records than it has room for.
pub(crate) struct MemorySpool {
    pub(crate) parcels: Mutex<VecDeque<Parcel>>,
    pub(crate) aside: Mutex<Vec<AccountingRecord>>,
    pub(crate) room: u64,
    pub(crate) is_stuck: AtomicBool,
    appended: AtomicU64,
}

impl MemorySpool {
    pub(crate) fn with_room(room: u64) -> Self {
        Self {
            parcels: Mutex::default(),
            aside: Mutex::default(),
            room,
            is_stuck: AtomicBool::new(false),
            appended: AtomicU64::new(0),
        }
    }
}

impl Spool for MemorySpool {
    async fn append(&self, origin: Origin, records: &[AccountingRecord]) -> Result<(), PortError> {
        if self.room < self.depth() + records.len() as u64 {
            return Err(PortError::outage("spool accounting", "the spool is full"));
        }
        let parcel = Parcel {
            position: self.appended.fetch_add(1, Relaxed),
            origin,
            records: records.to_vec(),
        };
        let mut parcels = self.parcels.lock().expect("nobody panicked");
        parcels.push_back(parcel);
        Ok(())
    }

    async fn peek(&self, records_max: usize) -> Result<Vec<Parcel>, PortError> {
        let parcels = self.parcels.lock().expect("nobody panicked");
        let mut records = 0;
        let taken = parcels.iter().take_while(|parcel| {
            let is_room = records < records_max;
            records += parcel.records.len();
            is_room
        });
        Ok(taken.cloned().collect())
    }

    /// Fails while it is stuck, as after a crash between the commit and the removal.
    async fn remove(&self, through: u64) -> Result<(), PortError> {
        if self.is_stuck.load(Relaxed) {
            return Err(PortError::outage("remove from the spool", "it is stuck"));
        }
        let mut parcels = self.parcels.lock().expect("nobody panicked");
        parcels.retain(|parcel| through < parcel.position);
        Ok(())
    }

    async fn set_aside(&self, _: Origin, record: &AccountingRecord) -> Result<(), PortError> {
        let mut aside = self.aside.lock().expect("nobody panicked");
        aside.push(record.clone());
        Ok(())
    }

    fn depth(&self) -> u64 {
        let parcels = self.parcels.lock().expect("nobody panicked");
        parcels
            .iter()
            .map(|parcel| parcel.records.len() as u64)
            .sum()
    }
}
