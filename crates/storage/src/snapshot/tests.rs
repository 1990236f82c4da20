//! What is written comes back, and nothing else does.

use domain::credential::Credential;
use domain::garden::{Garden, GardenTerms};
use domain::id::Id;
use domain::limit::{AtLimit, Limits, TopUp, TopUpMeasure, Validity, ValidityStart};
use domain::message::StateMessage;
use domain::nas::{
    MacAuthentication, MessageAuthenticatorPolicy, NasSettings, NasSharing, OctetView, Vendor,
    parse_source,
};
use domain::plan::access::{AfterExpiry, DeviceLimit, GraceDays, PlanAccess};
use domain::plan::{InterimInterval, PlanTerms, SessionLimit, TimeoutSeconds};
use domain::realm::{Realm, RealmHandling};
use domain::secret::Secret;
use domain::session_policy::{SessionPolicy, SessionTerms};
use domain::subscriber::binding::{Bindings, NasBinding};
use domain::subscriber::state::AccessState;
use domain::subscriber::{Purchase, StaticAddresses, SubscriberInstants, SubscriberStatus};
use domain::tenant::RowObedience;
use domain::terms::TermsMark;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::rows::{AttributeRow, MembershipRow};

const ABOUT: SnapshotAbout = SnapshotAbout {
    as_of: Timestamp::from_seconds(1_800_000_000),
    written_at: Timestamp::from_seconds(1_800_000_060),
};

const PASSWORD: &str = "kookaburra-4f1d";

fn keys(directory: &Path, name: &str) -> KeyRing {
    KeyRing::load_or_create(&directory.join(name), ABOUT.as_of).expect("a key ring is made")
}

fn place() -> (TempDir, SnapshotFile) {
    let directory = tempfile::tempdir().expect("a directory is made");
    let file = SnapshotFile::new(directory.path(), keys(directory.path(), "keyring"));
    (directory, file)
}

fn subscriber(number: u128, password: &str) -> Subscriber {
    Subscriber {
        id: Id::from_bytes(number.to_be_bytes()),
        tenant: Id::from_bytes([1; 16]),
        username: format!("user-{number}").parse().expect("a valid name"),
        credential: Credential::Cleartext(Secret::from(password)),
        plan: Id::from_bytes([2; 16]),
        status: SubscriberStatus::Active,
        expires_at: None,
        addresses: StaticAddresses::default(),
        sessions: SessionTerms::default(),
        bindings: Bindings::default(),
        changed: SubscriberInstants::default(),
        purchase: None,
    }
}

fn nas() -> Nas {
    Nas {
        id: Id::from_bytes([3; 16]),
        tenant: Id::from_bytes([1; 16]),
        name: "Tower 7".parse().expect("a valid name"),
        source: parse_source("2001:db8:7::/48").expect("a valid source"),
        secret: Secret::from("a shared secret"),
        settings: NasSettings {
            vendor: Vendor::Cisco,
            identifier: Some("tower-7".into()),
            message_authenticator: MessageAuthenticatorPolicy::Auto,
            octet_view: OctetView::Client,
            coa_port: 1_700,
            mac_authentication: MacAuthentication::On,
            sharing: NasSharing::Shared,
            coa_identity: "User-Name,Acct-Session-Id;Acct-Session-Id".parse().ok(),
        },
        groups: vec![Id::from_bytes([8; 16]), Id::from_bytes([9; 16])],
    }
}

fn plan() -> Plan {
    let rate = "25M/50M 50M/100M 20M/40M 10/10 5 5M/10M";
    Plan {
        id: Id::from_bytes([2; 16]),
        tenant: Id::from_bytes([1; 16]),
        name: "Home".parse().expect("a valid name"),
        terms: PlanTerms {
            rate: Some(rate.parse().expect("a valid rate")),
            session_timeout_seconds: TimeoutSeconds::new(3_600).ok(),
            idle_timeout_seconds: TimeoutSeconds::new(600).ok(),
            interim: InterimInterval::new(60).expect("a valid interval"),
            pool: "pool-1".parse().ok(),
            session_limit: SessionLimit::new(2).ok(),
            session_policy: SessionPolicy::ReplaceOldest,
            limits: Some(Box::new(Limits {
                quotas: "50G/month,time:2h/day".parse().expect("valid quotas"),
                windows: "Wk0800-1800".parse().ok(),
                validity: Validity::new(86_400, ValidityStart::FirstUse).ok(),
                resets: "15 sun 06:30".parse().expect("valid resets"),
                at_limit: AtLimit::Throttle("1M/1M".parse().expect("a valid rate")),
                zone: "Asia/Kolkata".parse().expect("a zone"),
                ..Limits::default()
            })),
            access: PlanAccess {
                grace_days: GraceDays::new(7).expect("a valid number of days"),
                after_expiry: AfterExpiry::Walled,
                garden: Some(Id::from_bytes([6; 16])),
                device_limit: DeviceLimit::new(3),
                private_device_limit: DeviceLimit::new(0),
            },
        },
    }
}

fn policy() -> TenantPolicy {
    let tenant = Id::from_bytes([1; 16]);
    let garden = Garden {
        id: Id::from_bytes([6; 16]),
        tenant,
        name: "Unpaid".parse().expect("a valid name"),
        terms: GardenTerms {
            pool: "walled".parse().ok(),
            address_list: "unpaid".parse().ok(),
            rate: "1M/2M".parse().ok(),
            redirect: "https://pay.example.net/".parse().ok(),
            session_timeout_seconds: TimeoutSeconds::new(120).expect("a valid timeout"),
        },
    };
    let message = |state| StateMessage {
        state,
        language: "sw".parse().expect("a valid tag"),
        template: "{username} — {plan}".parse().expect("a good template"),
    };
    let realm = |name: &str, handling| Realm {
        tenant,
        name: name.parse().expect("a valid name"),
        handling,
    };
    TenantPolicy {
        time_zone: "Asia/Kolkata".parse().expect("a zone"),
        tenant,
        language: "sw".parse().expect("a valid tag"),
        garden: Some(garden.id),
        gardens: vec![garden],
        messages: AccessState::ALL.into_iter().map(message).collect(),
        realms: vec![
            realm("isp", RealmHandling::Strip),
            realm("old", RealmHandling::Keep),
        ],
        rows: Some(RowObedience::Compatible),
    }
}

fn session() -> SnapshotSession {
    SnapshotSession {
        subscriber: Id::from_bytes([5; 16]),
        key: SessionKey([4; 16]),
        nas: Id::from_bytes([3; 16]),
        nas_address: Some([192, 0, 2, 1].into()),
        calling_station: Some("02:00:00:00:00:01".into()),
        started_at: ABOUT.as_of,
        is_replaced: true,
        username: "ana".into(),
        auth: Some(Id::from_bytes([6; 16])),
        terms: TermsMark::from_octets(&[1; TermsMark::OCTETS]),
    }
}

fn attribute_row(id: i64, attribute: &str, value: &str) -> AttributeRow {
    AttributeRow {
        id,
        attribute: attribute.to_owned(),
        op: ":=".to_owned(),
        value: value.to_owned(),
    }
}

fn row_group() -> GroupRows {
    GroupRows {
        name: "gold".to_owned(),
        check: Vec::new(),
        reply: vec![attribute_row(i64::MAX, "Class", "\u{e9}")],
    }
}

fn row_user() -> UserRows {
    UserRows {
        name: "Ana".to_owned(),
        check: vec![attribute_row(-1, "Cleartext-Password", PASSWORD)],
        reply: vec![attribute_row(2, "", "")],
        groups: vec![MembershipRow {
            id: 3,
            group: "gold".to_owned(),
            priority: -7,
        }],
    }
}

/// One of each, with everything set and with nothing set.
#[expect(clippy::too_many_lines, reason = "a table: one entry of each kind")]
fn entries() -> Vec<SnapshotEntry> {
    let plain_nas = Nas {
        source: parse_source("192.0.2.1").expect("a valid source"),
        settings: NasSettings::default(),
        groups: Vec::new(),
        ..nas()
    };
    let plain_plan = Plan {
        terms: PlanTerms::default(),
        ..plan()
    };
    let full = Subscriber {
        credential: Credential::Hashed(
            "{NT}8846f7eaee8fb117ad06bdd830b7586c"
                .parse()
                .expect("valid"),
        ),
        status: SubscriberStatus::SuspendedWalled,
        bindings: Bindings {
            nas: Some(Box::new(NasBinding {
                nas: vec![Id::from_bytes([3; 16])],
                groups: vec![Id::from_bytes([8; 16])],
            })),
            devices: ["00:00:5e:00:53:01", "02:00:00:00:00:01"]
                .iter()
                .map(|mac| mac.parse().expect("a valid address"))
                .collect(),
        },
        purchase: Purchase::new(
            Some(Timestamp::from_micros(7)),
            vec![TopUp {
                id: Id::from_bytes([6; 16]),
                measure: TopUpMeasure::Time,
                amount: u64::MAX,
                used: 8,
                ends_at: Some(Timestamp::from_micros(9)),
            }],
        ),
        expires_at: Some(Timestamp::from_micros(-1)),
        addresses: StaticAddresses {
            ipv4: Some([100, 64, 0, 7].into()),
            ipv6_prefix: "2001:db8::/64".parse().ok(),
            ipv6_delegated: "2001:db8:1::/56".parse().ok(),
        },
        sessions: SessionTerms {
            session_limit: SessionLimit::new(3).ok(),
            session_policy: Some(SessionPolicy::ReplaceOldest),
        },
        changed: SubscriberInstants::new(
            Some(Timestamp::from_micros(7)),
            Some(Timestamp::from_micros(8)),
        ),
        ..subscriber(1, PASSWORD)
    };
    let plain_session = SnapshotSession {
        nas_address: None,
        calling_station: None,
        is_replaced: false,
        auth: None,
        terms: None,
        ..session()
    };
    vec![
        SnapshotEntry::Nas(nas()),
        SnapshotEntry::Nas(plain_nas),
        SnapshotEntry::Plan(plan()),
        SnapshotEntry::Plan(plain_plan),
        SnapshotEntry::Policy(policy()),
        SnapshotEntry::Policy(TenantPolicy::new(Id::from_bytes([2; 16]))),
        SnapshotEntry::Subscriber(full),
        SnapshotEntry::Subscriber(subscriber(2, PASSWORD)),
        SnapshotEntry::RowGroup(row_group()),
        SnapshotEntry::RowUser(row_user()),
        SnapshotEntry::Session(session()),
        SnapshotEntry::Session(plain_session),
    ]
}

fn add(writer: &mut SnapshotWriter, entry: &SnapshotEntry) -> Result<(), SnapshotError> {
    match entry {
        SnapshotEntry::Nas(nas) => writer.add_nas(nas),
        SnapshotEntry::Plan(plan) => writer.add_plan(plan),
        SnapshotEntry::Policy(policy) => writer.add_policy(policy),
        SnapshotEntry::Subscriber(subscriber) => writer.add_subscriber(subscriber),
        SnapshotEntry::RowGroup(rows) => add_whole(writer.add_row_group(rows)),
        SnapshotEntry::RowUser(rows) => add_whole(writer.add_row_user(rows)),
        SnapshotEntry::Session(session) => writer.add_session(session),
    }
}

fn add_whole(added: Result<RowsAdded, SnapshotError>) -> Result<(), SnapshotError> {
    added.map(|added| assert_eq!(added, RowsAdded::Whole))
}

fn write(file: &SnapshotFile, entries: &[SnapshotEntry]) {
    let mut writer = file.create(ABOUT).expect("the directory is writable");
    for entry in entries {
        add(&mut writer, entry).expect("there is room");
    }
    writer.finish().expect("there is room");
}

fn read(file: &SnapshotFile) -> Result<Vec<SnapshotEntry>, SnapshotError> {
    let mut reader = file.open()?;
    assert_eq!(reader.about(), ABOUT);
    let mut entries = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        entries.push(entry);
    }
    Ok(entries)
}

#[test]
fn a_snapshot_comes_back_as_it_was() {
    let (_directory, file) = place();
    for entries in [vec![], entries()] {
        write(&file, &entries);
        assert_eq!(read(&file).expect("it was just written"), entries);
    }
    let summary = file.examine().expect("it was just written");
    let counts = (summary.nas, summary.plans, summary.subscribers);
    assert_eq!((counts, summary.sessions), ((2, 2, 2), 2));
    assert_eq!((summary.row_groups, summary.row_users), (1, 1));
    assert_eq!(summary.about, ABOUT);
}

/// Anybody may write rows of any length; everybody else is in the snapshot all the same.
#[test]
fn rows_that_are_too_long_are_left_out() {
    let (_directory, file) = place();
    let mut writer = file.create(ABOUT).expect("the directory is writable");
    let long = "x".repeat(960 << 10);
    let user = |name: &str, value: &str| UserRows {
        name: name.to_owned(),
        check: vec![attribute_row(1, "Cleartext-Password", value)],
        ..row_user()
    };
    let group = |name: &str| GroupRows {
        name: name.to_owned(),
        reply: vec![attribute_row(1, "Class", &long)],
        ..row_group()
    };
    // What is long without being too long comes back.
    let almost = user("almost", &long[..950 << 10]);
    add_whole(writer.add_row_group(&row_group())).expect("there is room");
    for name in ["silver", &long] {
        let added = writer.add_row_group(&group(name)).expect("there is room");
        assert_eq!(added, RowsAdded::TooLong);
    }
    for _ in 0..2 {
        let added = writer.add_row_user(&user("long", &long));
        assert_eq!(added.expect("there is room"), RowsAdded::TooLong);
        add_whole(writer.add_row_user(&almost)).expect("there is room");
    }
    add_whole(writer.add_row_user(&row_user())).expect("there is room");
    writer.finish().expect("there is room");
    // Nobody gets more because the checks of a group are not there.
    let refusing = GroupRows {
        name: "silver".to_owned(),
        check: vec![attribute_row(0, "Auth-Type", "Reject")],
        reply: Vec::new(),
    };
    let expected = [
        SnapshotEntry::RowGroup(row_group()),
        SnapshotEntry::RowGroup(refusing),
        SnapshotEntry::RowUser(almost.clone()),
        SnapshotEntry::RowUser(almost),
        SnapshotEntry::RowUser(row_user()),
    ];
    assert_eq!(read(&file).expect("it was just written"), expected);
}

#[test]
fn many_chunks_keep_their_order() {
    let (directory, file) = place();
    let entries: Vec<_> = (0..5_000)
        .map(|number| SnapshotEntry::Subscriber(subscriber(number, PASSWORD)))
        .collect();
    write(&file, &entries);
    assert!(read(&file).expect("it was just written") == entries);
    let len = fs::metadata(file.path()).expect("it is there").len();
    assert!(len / 5_000 < 160, "{len} octets");
    // Chunks that are exchanged, or left out, are noticed.
    let octets = fs::read(file.path()).expect("it is there");
    let ends = chunk_ends(&octets);
    assert!(3 < ends.len(), "{ends:?}");
    let (first, second, third) = (ends[0]..ends[1], ends[1]..ends[2], ends[2]..octets.len());
    let head = &octets[..ends[0]];
    let exchanged = [head, &octets[second.clone()], &octets[first.clone()]].concat();
    let exchanged = [&exchanged[..], &octets[third.clone()]].concat();
    let left_out = [head, &octets[first], &octets[third]].concat();
    let appended = [&octets[..], &octets[second]].concat();
    for forged in [exchanged, left_out, appended] {
        assert_damaged(directory.path(), &file, &forged);
    }
    for end in &ends[..ends.len() - 1] {
        assert_damaged(directory.path(), &file, &octets[..*end]);
    }
}

/// Where the head and each chunk ends.
fn chunk_ends(octets: &[u8]) -> Vec<usize> {
    let mut ends = vec![35];
    let mut at = 35;
    while let Some(word) = octets.get(at..at + 4) {
        let word = u32::from_be_bytes(word.try_into().expect("four octets"));
        at += 4 + (word & !(1 << 31)) as usize;
        ends.push(at);
    }
    ends
}

#[track_caller]
fn assert_damaged(directory: &Path, file: &SnapshotFile, octets: &[u8]) {
    fs::write(directory.join(FILE), octets).expect("the directory is writable");
    let problem = read(file).expect_err("it is damaged");
    let is_refused = matches!(
        problem,
        SnapshotError::Damaged { .. }
            | SnapshotError::OtherVersion { .. }
            | SnapshotError::KeyRing { .. }
    );
    assert!(is_refused, "{problem:?}");
    file.examine().expect_err("it is damaged");
}

#[test]
fn every_damage_is_noticed() {
    let (directory, file) = place();
    write(&file, &entries());
    let octets = fs::read(file.path()).expect("it is there");
    for index in 0..octets.len() {
        let mut damaged = octets.clone();
        damaged[index] ^= 0x10;
        assert_damaged(directory.path(), &file, &damaged);
        assert_damaged(directory.path(), &file, &octets[..index]);
    }
}

#[test]
fn another_key_ring_opens_nothing() {
    let (directory, file) = place();
    write(&file, &entries());
    let other = SnapshotFile::new(directory.path(), keys(directory.path(), "other"));
    let problem = other.examine().expect_err("it has another key");
    assert!(
        matches!(problem, SnapshotError::KeyRing { .. }),
        "{problem:?}"
    );
}

#[test]
fn another_version_is_named() {
    let (_directory, file) = place();
    write(&file, &entries());
    let mut octets = fs::read(file.path()).expect("it is there");
    octets[11] = 9;
    fs::write(file.path(), octets).expect("the directory is writable");
    let problem = file.examine().expect_err("it is of another version");
    let is_named = matches!(
        problem,
        SnapshotError::OtherVersion {
            found: 9,
            known: 4,
            ..
        }
    );
    assert!(is_named, "{problem:?}");
}

#[test]
fn the_file_is_private_and_shows_no_secret() {
    let (directory, file) = place();
    let draft = directory.path().join(DRAFT);
    fs::write(&draft, "what a crash left").expect("the directory is writable");
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o644)).expect("it is ours");
    write(&file, &entries());
    let metadata = fs::metadata(file.path()).expect("it is there");
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    assert!(!draft.exists());
    let octets = fs::read(file.path()).expect("it is there");
    for planted in ["shared", PASSWORD, "user-2", "8846f7ea", "Tower"] {
        let is_found = octets
            .windows(planted.len())
            .any(|window| window == planted.as_bytes());
        assert!(!is_found, "{planted} is in the file");
    }
}

#[test]
fn a_draft_that_is_given_up_leaves_the_old_one() {
    let (directory, file) = place();
    assert!(matches!(file.examine(), Err(SnapshotError::Missing { .. })));
    write(&file, &entries());
    let writer = file.create(ABOUT).expect("the directory is writable");
    assert!(directory.path().join(DRAFT).exists());
    drop(writer);
    assert!(!directory.path().join(DRAFT).exists());
    assert_eq!(read(&file).expect("the old one is there"), entries());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_subscribers_come_back(passwords in prop::collection::vec(".{0,128}", 0..64)) {
        let (_directory, file) = place();
        let entries: Vec<_> = passwords
            .iter()
            .zip(0..)
            .map(|(password, number)| SnapshotEntry::Subscriber(subscriber(number, password)))
            .collect();
        write(&file, &entries);
        prop_assert_eq!(read(&file).expect("it was just written"), entries);
    }

    #[test]
    fn noise_is_refused(noise in prop::collection::vec(any::<u8>(), 0..512), is_headed in any::<bool>()) {
        let (directory, file) = place();
        write(&file, &[]);
        let head = fs::read(file.path()).expect("it is there")[..35].to_vec();
        let octets = if is_headed { [head, noise].concat() } else { noise };
        assert_damaged(directory.path(), &file, &octets);
    }
}
