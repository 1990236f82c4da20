//! What a clock on a wall showed, as an instant.

use jiff::civil::DateTime;

use super::Zone;
use crate::time::Timestamp;

impl Zone {
    /// The instant at which clocks of this zone showed `2027-01-15 08:00:00`, the fraction of a
    /// second left out; `None` when that is no time. An hour that came twice is taken for the
    /// first, and one that was left out for the hour behind it.
    pub fn instant(&self, shown: &str) -> Option<Timestamp> {
        let shown: DateTime = shown.trim().parse().ok()?;
        let zoned = self.time_zone().to_ambiguous_timestamp(shown).compatible();
        Some(Timestamp::from_seconds(zoned.ok()?.as_second()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(zone: &str, shown: &str, expected: Option<i64>) {
        let zone: Zone = zone.parse().expect("a zone");
        let instant = zone.instant(shown).map(Timestamp::as_seconds);
        assert_eq!(instant, expected, "{shown}");
    }

    #[test]
    fn clocks_are_read_in_their_zone() {
        check("UTC", "2023-11-14 22:13:20", Some(1_700_000_000));
        check("Africa/Nairobi", "2023-11-15 01:13:20", Some(1_700_000_000));
        check("UTC", "2023-11-14 22:13:20.9", Some(1_700_000_000));
        check("UTC", "2023-11-14T22:13:20", Some(1_700_000_000));
        // At 3 o'clock summer time it was 2 o'clock again.
        check("Europe/Berlin", "2023-10-29 02:30:00", Some(1_698_539_400));
        // At 2 o'clock it was 3 o'clock.
        check("Europe/Berlin", "2023-03-26 02:30:00", Some(1_679_794_200));
        check("UTC", "yesterday", None);
        check("UTC", "", None);
    }
}
