//! Limits at every instant: tables, and properties over years of time in many zones.

use std::num::NonZeroU64;

use proptest::prelude::*;

use super::window::Look;
use super::*;
use crate::id::TopUpId;
use crate::time::Timestamp;
use crate::usage::UsageAmount;

const DAY: i64 = 86_400;

/// Zones with and without daylight saving, off by half and quarter hours, south of the equator,
/// with clocks that are put forward at midnight, and one that left a day out.
const ZONES: [&str; 12] = [
    "UTC",
    "Africa/Nairobi",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "Asia/Tehran",
    "Pacific/Apia",
];

fn zone(name: &str) -> Zone {
    name.parse().expect("it is in the database")
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

fn limits(quotas: &str) -> Limits {
    Limits {
        quotas: quotas.parse().expect("quotas"),
        ..Limits::default()
    }
}

fn used(upload_bytes: u64, download_bytes: u64, session_seconds: u64) -> UsageAmount {
    UsageAmount {
        upload_bytes,
        download_bytes,
        session_seconds,
    }
}

/// Usage with one counter, of the span that holds `now`.
fn usage_of(
    limits: &Limits,
    period: PeriodCounted,
    amount: UsageAmount,
    now: Timestamp,
) -> LimitUsage {
    let mut usage = LimitUsage::default();
    let span = limits.resets.span(period.period(), &limits.zone, now);
    let span = span.expect("it is counted");
    usage.set(period, Counter { span, used: amount });
    usage
}

fn weigh(limits: &Limits, usage: &LimitUsage, now: Timestamp) -> Result<Allowance, Refusal> {
    let standing = Standing {
        usage,
        purchased_at: at("2026-01-01T00:00:00Z"),
        session: UsageAmount::default(),
        top_ups: &[],
    };
    evaluate(limits, &standing, now)
}

#[track_caller]
fn check_quotas(raw: &str, expected: Result<&str, &str>) {
    let shown = raw.parse::<Quotas>().map(|quotas| quotas.to_string());
    match (shown, expected) {
        (Ok(shown), Ok(expected)) => {
            assert_eq!(shown, expected, "{raw}");
            assert_eq!(shown.parse::<Quotas>(), raw.parse(), "{raw}");
        }
        (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{raw}: {error}"),
        (shown, _) => panic!("{raw}: {shown:?}"),
    }
}

#[test]
fn quotas_are_read_and_written() {
    check_quotas("50G/month", Ok("50G/month"));
    check_quotas("50GB/month", Ok("50G/month"));
    check_quotas("1536Mi/day", Ok("1536Mi/day"));
    check_quotas("1Gi/day,time:90m/week", Ok("1Gi/day,time:1h30m/week"));
    check_quotas(
        "upload:5000M/total, download:7/session",
        Ok("upload:5G/total,download:7/session"),
    );
    check_quotas("time:7200/day", Ok("time:2h/day"));
    check_quotas("50G", Err("AMOUNT/PERIOD"));
    check_quotas("50G/year", Err("'year' is not a period"));
    check_quotas("50X/day", Err("'50X' is not an amount of data"));
    check_quotas("time:5G/day", Err("'5G' is not an amount of time"));
    check_quotas("0/day", Err("lets nobody in"));
    check_quotas("1G/day,2G/day", Err("'2G/day' comes after another"));
    check_quotas("99999999999T/day", Err("not an amount"));
    check_quotas("both:1G/day", Err("AMOUNT/PERIOD"));
    check_quotas("", Err("AMOUNT/PERIOD"));
}

#[test]
fn resets_are_read_and_written() {
    for (raw, shown) in [
        ("15", "15 mon 00:00"),
        ("sun 06:30", "1 sun 06:30"),
        ("06:00 31", "31 mon 06:00"),
    ] {
        assert_eq!(
            raw.parse::<Resets>()
                .map(|resets| resets.to_string())
                .as_deref(),
            Ok(shown)
        );
    }
    for raw in ["", "0", "32", "noon", "24:00", "6:00", "1 2", "-1:30"] {
        assert!(raw.parse::<Resets>().is_err(), "{raw}");
    }
}

#[test]
fn zones_are_those_of_the_iana_database() {
    assert_eq!(zone("africa/nairobi").as_str(), "Africa/Nairobi");
    assert_eq!(Zone::default(), zone("UTC"));
    assert!("EAT".parse::<Zone>().is_err());
    assert!("".parse::<Zone>().is_err());
    assert!("+03:00".parse::<Zone>().is_err());
}

#[track_caller]
fn check_span(zone_name: &str, resets: &str, period: Period, now: &str, span: (&str, &str)) {
    let resets: Resets = resets.parse().expect("resets");
    let found = resets
        .span(period, &zone(zone_name), at(now))
        .expect("a span");
    assert_eq!((found.starts_at, found.ends_at), (at(span.0), at(span.1)));
}

#[test]
fn periods_begin_at_local_time() {
    let month = Period::Month;
    check_span(
        "Africa/Nairobi",
        "1",
        month,
        "2026-11-30T20:59:59Z",
        ("2026-10-31T21:00:00Z", "2026-11-30T21:00:00Z"),
    );
    check_span(
        "Africa/Nairobi",
        "1",
        month,
        "2026-11-30T21:00:00Z",
        ("2026-11-30T21:00:00Z", "2026-12-31T21:00:00Z"),
    );
    check_span(
        "Asia/Kathmandu",
        "1",
        Period::Day,
        "2026-11-20T18:14:59Z",
        ("2026-11-19T18:15:00Z", "2026-11-20T18:15:00Z"),
    );
    check_span(
        "UTC",
        "wed 06:30",
        Period::Week,
        "2026-11-20T00:00:00Z",
        ("2026-11-18T06:30:00Z", "2026-11-25T06:30:00Z"),
    );
    check_span(
        "UTC",
        "fri 06:30",
        Period::Week,
        "2026-11-20T06:00:00Z",
        ("2026-11-13T06:30:00Z", "2026-11-20T06:30:00Z"),
    );
}

#[test]
fn hours_begin_with_the_minute_of_the_resets() {
    let hour = Period::Hour;
    check_span(
        "Asia/Kolkata",
        "1",
        hour,
        "2026-11-20T18:29:59Z",
        ("2026-11-20T17:30:00Z", "2026-11-20T18:30:00Z"),
    );
    check_span(
        "UTC",
        "06:20",
        hour,
        "2026-11-20T18:19:59Z",
        ("2026-11-20T17:20:00Z", "2026-11-20T18:20:00Z"),
    );
    // Lord Howe puts its clocks back by half an hour, at 15:00 UTC.
    for (now, begin, end) in [
        ("14:59:59", "14:00:00", "15:00:00"),
        ("15:00:00", "15:00:00", "15:30:00"),
        ("15:30:00", "15:30:00", "16:30:00"),
    ] {
        let on_that_day = |clock: &str| format!("2026-04-04T{clock}Z");
        check_span(
            "Australia/Lord_Howe",
            "1",
            hour,
            &on_that_day(now),
            (&on_that_day(begin), &on_that_day(end)),
        );
    }
}

#[test]
fn the_31st_is_the_last_day_of_a_short_month() {
    let month = Period::Month;
    check_span(
        "UTC",
        "31",
        month,
        "2026-02-27T00:00:00Z",
        ("2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z"),
    );
    check_span(
        "UTC",
        "31",
        month,
        "2026-02-28T00:00:00Z",
        ("2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z"),
    );
    check_span(
        "UTC",
        "29",
        month,
        "2028-02-29T12:00:00Z",
        ("2028-02-29T00:00:00Z", "2028-03-29T00:00:00Z"),
    );
    check_span(
        "UTC",
        "30",
        month,
        "2027-03-01T00:00:00Z",
        ("2027-02-28T00:00:00Z", "2027-03-30T00:00:00Z"),
    );
}

#[test]
fn days_of_changed_clocks_are_longer_or_shorter() {
    let day = Period::Day;
    // Berlin: 23 hours on 29 March, 25 hours on 25 October.
    check_span(
        "Europe/Berlin",
        "1",
        day,
        "2026-03-29T12:00:00Z",
        ("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
    );
    check_span(
        "Europe/Berlin",
        "1",
        day,
        "2026-10-25T12:00:00Z",
        ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
    );
    // 02:30 is left out on 29 March and comes twice on 25 October: the first one counts.
    check_span(
        "Europe/Berlin",
        "02:30",
        day,
        "2026-03-29T12:00:00Z",
        ("2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"),
    );
    check_span(
        "Europe/Berlin",
        "02:30",
        day,
        "2026-10-25T12:00:00Z",
        ("2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
    );
    // Apia left 30 December 2011 out.
    check_span(
        "Pacific/Apia",
        "12:00",
        day,
        "2011-12-30T21:00:00Z",
        ("2011-12-29T22:00:00Z", "2011-12-30T22:00:00Z"),
    );
    check_span(
        "Pacific/Apia",
        "12:00",
        day,
        "2011-12-30T22:00:00Z",
        ("2011-12-30T22:00:00Z", "2011-12-31T22:00:00Z"),
    );
}

#[track_caller]
fn check_windows(raw: &str, shown: &str) {
    let windows: Windows = raw.parse().expect(raw);
    assert_eq!(windows.to_string(), shown);
    assert_eq!(shown.parse(), Ok(windows));
}

#[test]
fn windows_are_read_and_written() {
    check_windows("Wk0800-1800", "Wk0800-1800");
    check_windows("Wk0800-1800,Sa,Su0900-1700", "Su0900-1700,Wk0800-1800,Sa");
    check_windows("Mo-Fr0800-1800|SaSu0900-1200", "SuSa0900-1200,Wk0800-1800");
    check_windows("Any", "Al");
    check_windows("al0000-2400", "Al");
    check_windows("0600-2200", "Al0600-2200");
    check_windows("Fr2200-0600", "Fr2200-2400,Sa0000-0600");
    check_windows("Sa2200-0600", "Su0000-0600,Sa2200-2400");
    check_windows("Al2200-0600", "Al0000-0600,Al2200-2400");
    check_windows("Sa-Mo", "SuMoSa");
    for raw in [
        "",
        "Xx",
        "Mo0800",
        "Mo800-1800",
        "Mo2500-2600",
        "Mo0860-0900",
        "Mo0800-0800",
        "Mo-",
        "Mo,,Tu",
        "Mo2400-0600",
        "Mé",
    ] {
        assert!(raw.parse::<Windows>().is_err(), "{raw}");
    }
}

#[track_caller]
fn check_look(raw: &str, zone_name: &str, now: &str, is_open: bool, until: &str) {
    let windows: Windows = raw.parse().expect(raw);
    let until = at(until);
    let expected = if is_open {
        Look::Open { until: Some(until) }
    } else {
        Look::Closed { until }
    };
    assert_eq!(windows.look(&zone(zone_name), at(now)), expected);
}

#[test]
fn windows_open_and_close_by_local_clocks() {
    check_look(
        "Wk0800-1800",
        "Africa/Nairobi",
        "2026-11-20T14:59:30Z",
        true,
        "2026-11-20T15:00:00Z",
    );
    check_look(
        "Wk0800-1800",
        "Africa/Nairobi",
        "2026-11-20T15:00:00Z",
        false,
        "2026-11-23T05:00:00Z",
    );
    check_look(
        "Sa2200-0600",
        "UTC",
        "2026-11-21T23:00:00Z",
        true,
        "2026-11-22T06:00:00Z",
    );
    // Clocks go from 02:00 to 03:00, past the end, and from 03:00 to 02:00, back into the window.
    check_look(
        "Al0000-0230",
        "Europe/Berlin",
        "2026-03-29T00:30:00Z",
        true,
        "2026-03-29T01:00:00Z",
    );
    check_look(
        "Al0000-0230",
        "Europe/Berlin",
        "2026-10-25T00:15:00Z",
        true,
        "2026-10-25T00:30:00Z",
    );
    check_look(
        "Al0000-0230",
        "Europe/Berlin",
        "2026-10-25T00:45:00Z",
        false,
        "2026-10-25T01:00:00Z",
    );
    check_look(
        "Al0000-0230",
        "Europe/Berlin",
        "2026-10-25T01:00:00Z",
        true,
        "2026-10-25T01:30:00Z",
    );
    let always: Windows = "Al".parse().expect("valid");
    assert_eq!(
        always.look(&zone("Europe/Berlin"), at("2026-11-20")),
        Look::Open { until: None }
    );
}

#[test]
fn what_is_left_is_the_least_of_all_limits() {
    let now = at("2026-11-20T12:00:00Z");
    let limits = Limits {
        windows: "Wk0800-1800".parse().ok(),
        validity: Validity::new(30 * 86_400, ValidityStart::FirstUse).ok(),
        ..limits("50G/month,download:5G/day,time:2h/day,time:10h/month")
    };
    let usage = usage_of(
        &limits,
        PeriodCounted::Day,
        used(1_000, 1_000_000_000, 3_000),
        now,
    );
    let left = weigh(&limits, &usage, now).expect("let in");
    assert_eq!(left.seconds_left, Some(4_200));
    assert_eq!(left.window_seconds, Some(6 * 3_600));
    assert_eq!(left.volume_left.traffic, NonZeroU64::new(50_000_000_000));
    assert_eq!(left.volume_left.download, NonZeroU64::new(4_000_000_000));
    assert_eq!(left.volume_left.upload, None);
    assert_eq!(left.valid_until, Some(now.plus_seconds(30 * DAY)));
}

#[test]
fn volumes_above_4_gib_are_counted_whole() {
    let now = at("2026-11-20T12:00:00Z");
    let limits = limits("10T/month");
    let most = u64::MAX / 2;
    for (used_bytes, left) in [
        (5_000_000_000_000, Some(5_000_000_000_000)),
        (9_999_999_999_999, Some(1)),
        (most, None),
    ] {
        let usage = usage_of(&limits, PeriodCounted::Month, used(0, used_bytes, 0), now);
        let found = weigh(&limits, &usage, now).map(|left| left.volume_left.traffic);
        assert_eq!(found.ok().flatten().map(NonZeroU64::get), left);
    }
    let usage = usage_of(
        &limits,
        PeriodCounted::Month,
        used(u64::MAX, u64::MAX, 0),
        now,
    );
    assert!(weigh(&limits, &usage, now).is_err());
}

#[test]
fn a_used_up_quota_refuses_until_the_last_of_them_resets() {
    let now = at("2026-11-20T12:00:00Z");
    let limits = limits("time:1h/day,1G/month");
    let mut usage = usage_of(&limits, PeriodCounted::Day, used(0, 0, 3_600), now);
    let Err(Refusal::QuotaUsedUp(crossing)) = weigh(&limits, &usage, now) else {
        panic!("it is used up");
    };
    assert_eq!(
        crossing.to_string(),
        "the time quota of 1h for a day is used up and resets at 2026-11-21T00:00:00Z"
    );
    let month = limits
        .resets
        .span(Period::Month, &limits.zone, now)
        .expect("a span");
    let used = used(500_000_000, 500_000_000, 0);
    usage.set(PeriodCounted::Month, Counter { span: month, used });
    let Err(Refusal::QuotaUsedUp(crossing)) = weigh(&limits, &usage, now) else {
        panic!("it is used up");
    };
    assert_eq!(crossing.resets_at.find(), Some(at("2026-12-01")));
    assert_eq!(
        weigh(&limits, &usage, at("2026-12-01")).map(|left| left.crossing),
        Ok(None)
    );
}

#[test]
fn a_throttled_session_ends_with_the_reset() {
    let now = at("2026-11-30T23:00:00Z");
    let limits = Limits {
        at_limit: AtLimit::Throttle("1M/1M".parse().expect("a rate")),
        ..limits("1G/month,2G/session")
    };
    let usage = usage_of(
        &limits,
        PeriodCounted::Month,
        used(0, 1_000_000_000, 0),
        now,
    );
    let left = weigh(&limits, &usage, now).expect("let in");
    assert_eq!(
        left.crossing.map(|crossing| crossing.period),
        Some(Period::Month)
    );
    assert_eq!(left.seconds_left, Some(3_600));
    assert_eq!(left.volume_left, VolumeLeft::default());
}

#[test]
fn a_session_quota_counts_the_session_alone() {
    let now = at("2026-11-20T12:00:00Z");
    let limits = limits("1G/session");
    let usage = LimitUsage::default();
    let standing = |bytes| Standing {
        usage: &usage,
        purchased_at: now,
        session: used(bytes, 0, 0),
        top_ups: &[],
    };
    let left = evaluate(&limits, &standing(400_000_000), now).expect("let in");
    assert_eq!(left.volume_left.traffic, NonZeroU64::new(600_000_000));
    let Err(refusal) = evaluate(&limits, &standing(1_000_000_000), now) else {
        panic!("it is used up");
    };
    assert!(
        matches!(refusal, Refusal::QuotaUsedUp(crossing) if crossing.resets_at == ResetAt::NEVER)
    );
}

#[test]
fn a_top_up_is_used_after_the_quotas_and_bounds_the_session_by_its_end() {
    let now = at("2026-11-20T12:00:00Z");
    let limits = limits("1G/day,10G/month,time:1h/day");
    let top_up = |number: u8, measure, amount, ends_in: Option<i64>| TopUp {
        id: TopUpId::from_bytes([number; 16]),
        measure,
        amount,
        used: 0,
        ends_at: ends_in.map(|seconds| now.plus_seconds(seconds)),
    };
    let left = |amount, top_ups: &[TopUp]| {
        let usage = usage_of(&limits, PeriodCounted::Day, amount, now);
        let standing = Standing {
            usage: &usage,
            purchased_at: now,
            session: UsageAmount::default(),
            top_ups,
        };
        let left = evaluate(&limits, &standing, now).ok()?;
        Some((left.volume_left.traffic?.get(), left.seconds_left?))
    };
    let data = top_up(1, TopUpMeasure::Data, 500_000_000, None);
    let ending = top_up(2, TopUpMeasure::Data, 200_000_000, Some(90));
    let time = top_up(3, TopUpMeasure::Time, 600, None);
    assert_eq!(
        left(used(400_000_000, 0, 0), &[data]),
        Some((1_100_000_000, 3_600))
    );
    assert_eq!(left(used(1_000_000_000, 0, 0), &[]), None);
    assert_eq!(
        left(used(1_000_000_000, 0, 0), &[data]),
        Some((500_000_000, 3_600))
    );
    let all = [data, ending, time];
    assert_eq!(
        left(used(2_000_000_000, 0, 3_600), &all),
        Some((700_000_000, 90))
    );
    assert_eq!(
        left(used(2_000_000_000, 0, 3_600), &[data, time]),
        Some((500_000_000, 600))
    );
}

#[test]
fn validity_runs_from_purchase_or_from_the_first_use() {
    let day = |days: i64| at("2026-01-01T00:00:00Z").plus_seconds(days * DAY);
    let valid = |start, first_use, now| {
        let limits = Limits {
            validity: Validity::new(30 * 86_400, start).ok(),
            ..Limits::default()
        };
        let mut usage = LimitUsage::default();
        usage.first_use = first_use;
        weigh(&limits, &usage, now).map(|left| left.seconds_left)
    };
    let (purchase, first_use) = (ValidityStart::Purchase, ValidityStart::FirstUse);
    let ended = |ended_at| Err(Refusal::NoLongerValid { ended_at });
    assert_eq!(valid(purchase, None, day(29)), Ok(Some(86_400)));
    assert_eq!(valid(purchase, None, day(30)), ended(day(30)));
    assert_eq!(valid(first_use, None, day(300)), Ok(Some(30 * 86_400)));
    assert_eq!(
        valid(first_use, Some(day(290)), day(300)),
        Ok(Some(20 * 86_400))
    );
    assert_eq!(valid(first_use, Some(day(290)), day(320)), ended(day(320)));
}

#[test]
fn freeradius_gives_a_session_the_next_period_too() {
    let now = at("2026-11-20T23:30:00Z");
    let native = Limits {
        resets: Resets::FREERADIUS,
        ..limits("time:2h/day")
    };
    let compatible = Limits {
        manner: Manner::FreeRadius,
        ..native.clone()
    };
    let left = |limits: &Limits, seconds| {
        let usage = usage_of(limits, PeriodCounted::Day, used(0, 0, seconds), now);
        weigh(limits, &usage, now).map(|left| left.seconds_left)
    };
    assert_eq!(left(&native, 3_600), Ok(Some(3_600)));
    assert_eq!(left(&compatible, 3_600), Ok(Some(1_800 + 7_200)));
    assert_eq!(left(&compatible, 6_000), Ok(Some(1_200)));
}

#[test]
fn a_window_lasts_to_its_end_or_as_long_as_at_the_full_minute() {
    let limits = |manner| Limits {
        windows: "Al0800-1800".parse().ok(),
        manner,
        ..Limits::default()
    };
    let seconds = |manner, now: &str| {
        let found = weigh(&limits(manner), &LimitUsage::default(), at(now));
        found.map(|left| left.seconds_left)
    };
    let opens_at = at("2026-11-21T08:00:00Z");
    let closed = Err(Refusal::OutsideHours { opens_at });
    assert_eq!(
        seconds(Manner::Native, "2026-11-20T17:59:58.5Z"),
        Ok(Some(1))
    );
    assert_eq!(seconds(Manner::Native, "2026-11-20T17:59:59.5Z"), closed);
    assert_eq!(
        seconds(Manner::FreeRadius, "2026-11-20T17:59:00Z"),
        Ok(Some(60))
    );
    assert_eq!(
        seconds(Manner::FreeRadius, "2026-11-20T17:59:59.5Z"),
        Ok(Some(60))
    );
    assert_eq!(seconds(Manner::FreeRadius, "2026-11-20T18:00:00Z"), closed);
}

#[test]
fn usage_that_is_heard_of_twice_or_late_is_the_same() {
    let limits = limits("1G/day");
    let span = |now: &str| {
        limits
            .resets
            .span(Period::Day, &limits.zone, at(now))
            .expect("a span")
    };
    let counter = |now, bytes| Counter {
        span: span(now),
        used: used(bytes, 0, 0),
    };
    let mut usage = LimitUsage::default();
    let (first, second) = ("2026-11-20", "2026-11-21");
    for news in [
        counter(first, 7),
        counter(first, 5),
        counter(second, 1),
        counter(first, 9),
    ] {
        usage.learn(PeriodCounted::Day, news);
    }
    assert_eq!(usage.counter(PeriodCounted::Day), Some(counter(second, 1)));
    assert_eq!(
        usage.used(PeriodCounted::Day, span(first)),
        UsageAmount::default()
    );
    assert!(usage.learn_first_use(at(second)));
    assert!(usage.learn_first_use(at(first)));
    assert!(!usage.learn_first_use(at(second)));
    assert_eq!(usage.first_use, Some(at(first)));
}

fn any_zone() -> impl Strategy<Value = Zone> {
    (0..ZONES.len()).prop_map(|index| zone(ZONES[index]))
}

/// 2001 to 2034, to the second.
fn any_instant() -> impl Strategy<Value = Timestamp> {
    (978_307_200_i64..2_019_686_400).prop_map(Timestamp::from_seconds)
}

fn any_resets() -> impl Strategy<Value = Resets> {
    (1..=31_u8, 0..7_usize, 0..24_u8, 0..60_u8).prop_map(|(day, weekday, hour, minute)| {
        let weekday = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][weekday];
        format!("{day} {weekday} {hour:02}:{minute:02}")
            .parse()
            .expect("valid")
    })
}

fn any_windows() -> impl Strategy<Value = Windows> {
    let window = (0..9_usize, 0..48_u16, 1..48_u16).prop_map(|(days, from, length)| {
        let days = ["Su", "Mo", "Tu", "We", "Th", "Fr", "Sa", "Wk", "Al"][days];
        let clock = |half_hours: u16| format!("{:02}{:02}", half_hours / 2, half_hours % 2 * 30);
        format!("{days}{}-{}", clock(from), clock((from + length) % 48))
    });
    proptest::collection::vec(window, 1..5).prop_map(|all| all.join(",").parse().expect("valid"))
}

/// One that begins and ends.
fn any_period() -> impl Strategy<Value = PeriodCounted> {
    let is_rolling = |period: &PeriodCounted| period.period().rolling_hours().is_some();
    (0..PERIODS_COUNTED.len())
        .prop_map(|index| PERIODS_COUNTED[index])
        .prop_filter("it begins and ends", move |period| !is_rolling(period))
}

#[test]
fn a_rolling_window_is_the_hours_that_hold_it() {
    for (period, begin) in [
        (Period::Last24Hours, "2026-11-19T06:00:00Z"),
        (Period::Last7Days, "2026-11-13T06:00:00Z"),
        (Period::Last30Days, "2026-10-21T06:00:00Z"),
    ] {
        // Neither zones nor resets move it.
        for now in ["2026-11-20T06:00:00Z", "2026-11-20T06:59:59Z"] {
            let span = (begin, "2026-11-20T07:00:00Z");
            check_span("Asia/Kolkata", "15 06:20", period, now, span);
        }
    }
}

#[test]
fn a_window_that_moves_on_is_taken_for_full_until_it_is_counted_anew() {
    let period = PeriodCounted::Last24Hours;
    let span = |now: &str| {
        let span = Resets::default().span(period.period(), &Zone::default(), at(now));
        span.expect("it is counted")
    };
    let (first, next) = (span("2026-11-20T06:10:00Z"), span("2026-11-20T09:10:00Z"));
    let mut usage = LimitUsage::default();
    let counter = |span, bytes| Counter {
        span,
        used: used(bytes, 0, 0),
    };
    usage.learn(period, counter(first, 900));
    assert_eq!(usage.used(period, next), used(900, 0, 0));
    usage.learn(period, counter(next, 300));
    assert_eq!(usage.used(period, next), used(300, 0, 0));
    // What a node says that is behind comes too late.
    usage.learn(period, counter(first, 950));
    assert_eq!(usage.used(period, next), used(300, 0, 0));
    // After a window without anything, nothing of it is left.
    let later = span("2026-11-22T09:10:00Z");
    assert_eq!(usage.used(period, later), UsageAmount::default());
}

fn any_quotas() -> impl Strategy<Value = Quotas> {
    let quota = (0..4_usize, 0..6_usize, 1..20_u64).prop_map(|(measure, period, amount)| {
        let measure = [
            Measure::Traffic,
            Measure::Upload,
            Measure::Download,
            Measure::Time,
        ][measure];
        let period = [
            Period::Session,
            Period::Hour,
            Period::Day,
            Period::Week,
            Period::Month,
            Period::Total,
        ][period];
        let unit = if measure == Measure::Time {
            3_600
        } else {
            3_000_000_000
        };
        Quota::new(measure, period, amount * unit)
    });
    proptest::collection::vec(quota, 1..5)
        .prop_filter_map("each kind once", |quotas| Quotas::new(quotas).ok())
}

/// A session, and what is bought before it.
#[derive(Clone, Copy, Debug)]
struct Session {
    pause: i64,
    seconds: u64,
    upload_rate: u64,
    download_rate: u64,
    top_up: Option<(TopUpMeasure, u64, Option<i64>)>,
}

fn any_session() -> impl Strategy<Value = Session> {
    let measure = prop_oneof![Just(TopUpMeasure::Data), Just(TopUpMeasure::Time)];
    let valid = proptest::option::of(60..2_000_000_i64);
    let top_up = (measure, 1..20_u64, valid).prop_map(|(measure, amount, valid)| {
        let unit = match measure {
            TopUpMeasure::Data => 1_000_000_000,
            TopUpMeasure::Time => 1_800,
        };
        (measure, amount * unit, valid)
    });
    let top_up = proptest::option::weighted(0.1, top_up);
    let rates = (0..100_000_u64, 0..100_000_u64);
    (0..200_000_i64, 1..200_000_u64, rates, top_up).prop_map(
        |(pause, seconds, (upload_rate, download_rate), top_up)| Session {
            pause,
            seconds,
            upload_rate,
            download_rate,
            top_up,
        },
    )
}

/// What a router lets through.
fn capped(wanted: u64, left: [Option<NonZeroU64>; 2]) -> u64 {
    let left = left.into_iter().flatten().map(NonZeroU64::get);
    left.fold(wanted, u64::min)
}

proptest! {
    #[test]
    fn periods_partition_time(zone in any_zone(), resets in any_resets(), period in any_period(), now in any_instant()) {
        let of = |at| resets.span(period.period(), &zone, at).expect("it is counted");
        let span = of(now);
        prop_assert!(span.contains(now));
        prop_assert_eq!(of(span.starts_at), span);
        if period != PeriodCounted::Total {
            let last = Timestamp::from_micros(span.ends_at.as_micros() - 1);
            prop_assert_eq!(of(last), span);
            prop_assert_eq!(of(span.ends_at).starts_at, span.ends_at);
        }
    }

    #[test]
    fn windows_agree_with_a_look_at_every_minute(zone in any_zone(), windows in any_windows(), now in any_instant()) {
        let is_open = windows.is_open(&zone, now);
        let minute = Timestamp::from_seconds(now.as_seconds() / 60 * 60);
        let change = (1..=8 * 1_440)
            .map(|count| minute.plus_seconds(count * 60))
            .find(|later| windows.is_open(&zone, *later) != is_open);
        let expected = match (is_open, change) {
            (true, until) => Look::Open { until },
            (false, Some(until)) => Look::Closed { until },
            (false, None) => return Ok(()),
        };
        prop_assert_eq!(windows.look(&zone, now), expected);
        prop_assert_eq!(windows.to_string().parse::<Windows>(), Ok(windows));
    }

    /// A subscriber who takes all that is granted: in no 24 hours is it more than the quota of them.
    #[test]
    fn a_rolling_quota_holds_at_any_time(
        begin in any_instant(),
        quota in 1..20_u64,
        sessions in proptest::collection::vec(any_session(), 1..60),
    ) {
        let quotas = format!("{quota}G/24h,time:{quota}h/24h");
        let limits = Limits { quotas: quotas.parse().expect("quotas"), ..Limits::default() };
        let period = PeriodCounted::Last24Hours;
        let mut reports: Vec<(Timestamp, UsageAmount)> = Vec::new();
        let mut now = begin;
        for session in sessions {
            let Session { pause, seconds, upload_rate, download_rate, .. } = session;
            now = now.plus_seconds(pause);
            let span = limits.resets.span(period.period(), &limits.zone, now).expect("it is counted");
            let within = reports.iter().filter(|(at, _)| span.contains(*at));
            let known = within.fold(UsageAmount::default(), |sum, (_, part)| sum.plus(*part));
            let mut usage = LimitUsage::default();
            usage.set(period, Counter { span, used: known });
            let standing = Standing {
                usage: &usage,
                purchased_at: begin,
                session: UsageAmount::default(),
                top_ups: &[],
            };
            let Ok(left) = evaluate(&limits, &standing, now) else { continue };
            let seconds = left.seconds_left.map_or(seconds, |left| seconds.min(left.into()));
            let traffic = left.volume_left.traffic;
            let upload = capped(seconds * upload_rate, [traffic, None]);
            let beside = traffic.map_or(u64::MAX, |traffic| traffic.get() - upload);
            let download = (seconds * download_rate).min(beside);
            let mut before = UsageAmount::default();
            for quarter in 1..=4 {
                let part = used(upload * quarter / 4, download * quarter / 4, seconds * quarter / 4);
                let then = now.plus_seconds(part.session_seconds.cast_signed());
                reports.push((then, part.since(before)));
                before = part;
            }
            now = now.plus_seconds(seconds.cast_signed());
            let since = now.plus_seconds(-24 * 3_600);
            let last = reports.iter().filter(|(at, _)| since < *at);
            let sum = last.fold(UsageAmount::default(), |sum, (_, part)| sum.plus(*part));
            prop_assert!(Measure::Traffic.of(sum) <= quota * 1_000_000_000, "{sum:?}");
            prop_assert!(sum.session_seconds <= quota * 3_600, "{sum:?}");
        }
    }

    /// A subscriber who takes all that is granted, for years: whatever is counted in a period stays
    /// within its quota, because routers end sessions where they were told to; and what goes beyond
    /// it was bought.
    #[test]
    fn nobody_gets_more_than_the_plan(
        zone in any_zone(),
        resets in any_resets(),
        quotas in any_quotas(),
        begin in any_instant(),
        sessions in proptest::collection::vec(any_session(), 1..400),
    ) {
        let limits = Limits { quotas, resets, zone, ..Limits::default() };
        let mut usage = LimitUsage::default();
        let mut top_ups: Vec<TopUp> = Vec::new();
        let (mut bought, mut paid) = (Beyond::default(), Beyond::default());
        let mut now = begin;
        for (number, session) in (0_u32..).zip(sessions) {
            let Session { pause, seconds, upload_rate, download_rate, top_up } = session;
            now = now.plus_seconds(pause);
            if let Some((measure, amount, valid)) = top_up {
                let sum = match measure {
                    TopUpMeasure::Data => &mut bought.bytes,
                    TopUpMeasure::Time => &mut bought.seconds,
                };
                *sum += amount;
                let ends_at = valid.map(|seconds| now.plus_seconds(seconds));
                let [.., low] = number.to_be_bytes();
                let id = TopUpId::new(now, [low; 10]);
                top_ups.push(TopUp { id, measure, amount, used: 0, ends_at });
            }
            let standing = Standing {
                usage: &usage,
                purchased_at: begin,
                session: UsageAmount::default(),
                top_ups: &top_ups,
            };
            let Ok(left) = evaluate(&limits, &standing, now) else { continue };
            let seconds = left.seconds_left.map_or(seconds, |left| seconds.min(left.into()));
            let VolumeLeft { traffic, upload, download } = left.volume_left;
            let upload = capped(seconds * upload_rate, [upload, traffic]);
            let beside = traffic.map(|traffic| traffic.get() - upload);
            let download = capped(seconds * download_rate, [download, None]);
            let download = beside.map_or(download, |beside| download.min(beside));
            let total = used(upload, download, seconds);
            for quota in limits.quotas.iter().filter(|quota| quota.period == Period::Session) {
                prop_assert!(quota.measure.of(total) <= quota.amount());
            }
            // Reported in four parts, each counted in the period in which it is reported.
            let mut before = UsageAmount::default();
            for quarter in 1..=4 {
                let part = used(upload * quarter / 4, download * quarter / 4, seconds * quarter / 4);
                let then = now.plus_seconds(part.session_seconds.cast_signed());
                let mut beyond = Beyond::default();
                for period in PERIODS_COUNTED {
                    let span = limits.resets.span(period.period(), &limits.zone, then).expect("it is counted");
                    let known = usage.used(period, span);
                    let used = known.plus(part.since(before));
                    usage.set(period, Counter { span, used });
                    let allowed = Allowed::of(&limits.quotas, period.period());
                    beyond = beyond.or(allowed.beyond(known, used));
                }
                paid = Beyond {
                    bytes: paid.bytes + beyond.bytes,
                    seconds: paid.seconds + beyond.seconds,
                };
                consume(&mut top_ups, beyond, then);
                before = part;
            }
            prop_assert!(paid.bytes <= bought.bytes, "{} of {} bytes", paid.bytes, bought.bytes);
            prop_assert!(paid.seconds <= bought.seconds, "{} of {} s", paid.seconds, bought.seconds);
            now = now.plus_seconds(seconds.cast_signed());
        }
    }
}
