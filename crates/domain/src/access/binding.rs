//! The rules about where and with which devices a credential is used.

use super::{RejectReason, Trace, TraceStep};
use crate::id::{NasGroupId, NasId};
use crate::mac::Mac;
use crate::plan::access::{DeviceKind, PlanAccess};
use crate::subscriber::Subscriber;

/// The router that asks, proven by its source address and its secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestingNas<'a> {
    pub id: NasId,
    pub groups: &'a [NasGroupId],
}

/// The device that wants in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestingDevice {
    /// Absent when Calling-Station-Id is none.
    pub mac: Option<Mac>,
    pub claim: Claim,
}

/// What came of the attempt to bind a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    NotTried,
    /// It is bound, by this login or by another one at the same time.
    Bound,
    /// Others were faster.
    NoRoom,
    /// It could not be stored.
    NotStored,
}

impl RequestingDevice {
    /// A device before anything was claimed for it.
    pub const fn new(mac: Option<Mac>) -> Self {
        Self {
            mac,
            claim: Claim::NotTried,
        }
    }
}

pub(super) fn check_nas(
    trace: &mut Trace,
    subscriber: &Subscriber,
    nas: RequestingNas<'_>,
) -> Result<(), RejectReason> {
    let Some(binding) = &subscriber.bindings.nas else {
        return Ok(());
    };
    if !binding.allows(nas.id, nas.groups) {
        return Err(RejectReason::NasNotAllowed);
    }
    trace.push(TraceStep::NasAllowed);
    Ok(())
}

/// Returns the device that has to be bound before the answer may leave.
pub(super) fn check_device(
    trace: &mut Trace,
    subscriber: &Subscriber,
    access: &PlanAccess,
    device: RequestingDevice,
) -> Result<Option<Mac>, RejectReason> {
    if !access.binds_devices() {
        return Ok(None);
    }
    let mac = device.mac.ok_or(RejectReason::DeviceUnnamed)?;
    let known = &subscriber.bindings.devices;
    let Some((kind, limit)) = access.limit_of(mac) else {
        return Ok(None);
    };
    if known.contains(&mac) {
        trace.push(TraceStep::DeviceBound);
        return Ok(None);
    }
    let limit = limit.as_devices();
    let has_room = access.count(kind, known) < usize::from(limit);
    match (device.claim, kind) {
        (Claim::Bound, _) => {
            trace.push(TraceStep::DeviceNew { limit });
            Ok(None)
        }
        (Claim::NotStored, _) => Err(RejectReason::DeviceNotStored),
        (Claim::NotTried, _) if has_room => {
            trace.push(TraceStep::DeviceNew { limit });
            Ok(Some(mac))
        }
        (_, DeviceKind::Private) => Err(RejectReason::PrivateDeviceLimit { limit }),
        (_, DeviceKind::Counted) => Err(RejectReason::DeviceLimit { limit }),
    }
}
