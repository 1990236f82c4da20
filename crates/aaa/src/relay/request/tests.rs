//! What tools may say, and what they are told when they may not.

use domain::nas::NasSettings;
use radius::avp;
use radius::dynamic_authorization::write_request;

use super::*;

const SECRET: &[u8] = b"a shared secret";

/// A signed request with these attributes.
fn datagram(action: Action, attributes: &[u8]) -> Vec<u8> {
    let mut buffer = Vec::new();
    write_request(&mut buffer, action, 1, 0, attributes, SECRET).expect("it fits");
    buffer
}

fn signed(datagram: &[u8]) -> Request<'_> {
    Request::read(datagram, SECRET, 0).expect("it is signed")
}

/// Attributes that are written as text.
fn encoded(dictionary: &Dictionary, attributes: &str) -> Vec<u8> {
    let parsed = avp::parse_list(dictionary, attributes).expect("valid attributes");
    let mut encoded = Vec::new();
    avp::encode(dictionary, &parsed, None, &mut encoded).expect("they fit");
    encoded
}

fn read_text(action: Action, attributes: &str) -> Result<Wanted, ErrorCause> {
    let dictionary = Dictionary::builtin();
    let datagram = datagram(action, &encoded(&dictionary, attributes));
    read(&signed(&datagram), &dictionary)
}

#[test]
fn what_is_said_of_a_session_is_understood() {
    let text = "User-Name = \"ANA\", Acct-Session-Id = \"81000007\", Framed-IP-Address = 100.64.0.7, \
        Calling-Station-Id = \"02-00-5E-00-00-07\", Called-Station-Id = \"service1\", \
        NAS-Port-Id = \"ether2\", Framed-IPv6-Prefix = 2001:db8:1::/64";
    let wanted = read_text(Action::Disconnect, text).expect("it is understood");
    let expected = SessionMatch {
        username: Some("ana".into()),
        acct_session_id: Some("81000007".into()),
        framed_ipv4: "100.64.0.7".parse().ok(),
        framed_ipv6_prefix: "2001:db8:1::/64".parse().ok(),
        calling_station: Some("02-00-5E-00-00-07".into()),
        called_station: Some("service1".into()),
        nas_port: Some("ether2".into()),
    };
    assert_eq!(wanted.sessions, expected);
    assert_eq!(wanted.sessions.calling_mac(), "02005e000007".parse().ok());
    assert_eq!(
        (wanted.router, wanted.attributes.len()),
        (RouterMatch::default(), 0)
    );
}

#[test]
fn what_is_to_change_is_passed_on_as_it_is() {
    let text = "User-Name = \"ana\", Mikrotik-Rate-Limit = \"2M/4M\", Session-Timeout = 60, \
        Reply-Message = \"faster\"";
    let wanted = read_text(Action::Change, text).expect("it is understood");
    let mut expected = vec![26, 13, 0, 0, 0x3a, 0x8c, 8, 7];
    expected.extend_from_slice(b"2M/4M");
    expected.extend_from_slice(&[27, 6, 0, 0, 0, 60]);
    assert_eq!(*wanted.attributes, *expected);
}

#[track_caller]
fn check_refused(action: Action, attributes: &str, expected: ErrorCause) {
    assert_eq!(read_text(action, attributes), Err(expected), "{attributes}");
}

#[test]
fn what_cannot_be_obeyed_is_refused_with_its_cause() {
    let (end, change) = (Action::Disconnect, Action::Change);
    let ana = "User-Name = \"ana\"";
    check_refused(
        end,
        "NAS-IP-Address = 192.0.2.1",
        ErrorCause::MISSING_ATTRIBUTE,
    );
    check_refused(change, ana, ErrorCause::MISSING_ATTRIBUTE);
    let unsupported = ErrorCause::UNSUPPORTED_ATTRIBUTE;
    check_refused(end, &format!("{ana}, Session-Timeout = 60"), unsupported);
    check_refused(end, &format!("{ana}, Class = 0x01"), unsupported);
    check_refused(end, &format!("{ana}, NAS-Port = 7"), unsupported);
    let twice = format!("{ana}, User-Name = \"eva\"");
    check_refused(end, &twice, ErrorCause::INVALID_REQUEST);
    let only = format!("{ana}, Service-Type = Authorize-Only");
    check_refused(change, &only, ErrorCause::UNSUPPORTED_SERVICE);
}

/// Octets that are hidden with one secret mean nothing with another.
#[test]
fn what_is_hidden_or_malformed_is_not_passed_on() {
    let check = |action, octets: &[u8], expected| {
        let datagram = datagram(action, octets);
        let refused = read(&signed(&datagram), &Dictionary::builtin()).err();
        assert_eq!(refused, Some(expected), "{octets:?}");
    };
    let ana = [1, 5, b'a', b'n', b'a'];
    let tunnel_password = [&ana[..], &[69, 5, 1, 2, 3]].concat();
    check(
        Action::Change,
        &tunnel_password,
        ErrorCause::UNSUPPORTED_ATTRIBUTE,
    );
    let mppe_key = [&ana[..], &[26, 11, 0, 0, 1, 0x37, 16, 5, 1, 2, 3]].concat();
    check(Action::Change, &mppe_key, ErrorCause::UNSUPPORTED_ATTRIBUTE);
    check(
        Action::Disconnect,
        &[8, 5, 100, 64, 0],
        ErrorCause::INVALID_ATTRIBUTE_VALUE,
    );
    check(
        Action::Disconnect,
        &[97, 3, 0],
        ErrorCause::INVALID_ATTRIBUTE_VALUE,
    );
}

#[test]
fn a_router_is_meant_by_its_address_or_by_what_it_calls_itself() {
    use domain::accounting::{SessionKey, SessionPlace};
    use domain::id::{NasId, SessionId, TenantId};
    use domain::nas::parse_source;
    use domain::secret::Secret;
    use domain::time::Timestamp;
    use domain::usage::UsageAmount;

    let at = Timestamp::from_seconds(1);
    let mut nas = Nas {
        id: NasId::new(at, [1; 10]),
        tenant: TenantId::DEFAULT,
        name: "pop".parse().expect("a valid name"),
        source: parse_source("10.0.0.0/8").expect("a valid source"),
        secret: Secret::from("secret"),
        settings: NasSettings::default(),
        groups: Vec::new(),
    };
    let session = Session {
        terms: None,
        id: SessionId::new(at, [1; 10]),
        key: SessionKey([1; 16]),
        tenant: TenantId::DEFAULT,
        nas: nas.id,
        auth: None,
        subscriber: None,
        username: "ana".into(),
        started_at: at,
        updated_at: at,
        total: UsageAmount::default(),
        place: SessionPlace {
            nas_address: "192.0.2.1".parse().ok(),
            ..SessionPlace::default()
        },
    };
    let is_met = |nas: &Nas, text: &str| {
        let wanted = read_text(Action::Disconnect, &format!("User-Name = \"ana\", {text}"));
        wanted
            .expect("it is understood")
            .router
            .is_met(nas, &session)
    };
    assert!(is_met(&nas, "NAS-IP-Address = 192.0.2.1"));
    assert!(is_met(&nas, "NAS-IP-Address = 10.1.2.3"));
    assert!(!is_met(&nas, "NAS-IP-Address = 192.0.2.2"));
    assert!(
        is_met(&nas, "NAS-Identifier = \"edge-1\""),
        "it is not registered"
    );
    nas.settings.identifier = Some("edge-1".into());
    assert!(is_met(&nas, "NAS-Identifier = \"edge-1\""));
    assert!(!is_met(&nas, "NAS-Identifier = \"edge-2\""));
}
