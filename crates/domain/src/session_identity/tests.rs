use compact_str::CompactString;

use super::*;
use crate::accounting::{SessionKey, SessionPlace};
use crate::id::{NasId, SessionId, TenantId};
use crate::time::Timestamp;
use crate::usage::UsageAmount;

fn session(username: &str, acct_session_id: &str) -> Session {
    let at = Timestamp::from_seconds(1);
    Session {
        id: SessionId::new(at, [1; 10]),
        key: SessionKey([1; 16]),
        tenant: TenantId::DEFAULT,
        nas: NasId::new(at, [2; 10]),
        auth: None,
        subscriber: None,
        username: username.into(),
        started_at: at,
        updated_at: at,
        total: UsageAmount::default(),
        place: SessionPlace {
            acct_session_id: acct_session_id.into(),
            framed_ipv4: Some("100.64.0.7".parse().expect("an address")),
            calling_station: Some(CompactString::const_new("02:00:5E:00:00:07")),
            ..SessionPlace::default()
        },
    }
}

#[track_caller]
fn check_usual(vendor: Vendor, session: &Session, expected: &str) {
    let sets = IdentityTemplate::usual(vendor, session).of(session);
    let shown: Vec<_> = sets.iter().map(ToString::to_string).collect();
    assert_eq!(shown.join(";"), expected, "{vendor}");
}

#[test]
fn each_vendor_and_service_is_asked_in_its_way() {
    let ppp = session("ana", "81000007");
    check_usual(
        Vendor::Mikrotik,
        &ppp,
        "User-Name,Acct-Session-Id,Framed-IP-Address;User-Name,Framed-IP-Address;User-Name,Acct-Session-Id",
    );
    check_usual(
        Vendor::Mikrotik,
        &session("ana", "80000007"),
        "User-Name,Framed-IP-Address,Acct-Session-Id;User-Name,Framed-IP-Address;User-Name,Framed-IP-Address,Calling-Station-Id",
    );
    check_usual(
        Vendor::Mikrotik,
        &session("02005e000007", "82000007"),
        "User-Name,Acct-Session-Id,Framed-IP-Address;User-Name,Calling-Station-Id;User-Name,Framed-IP-Address",
    );
    check_usual(
        Vendor::Cisco,
        &ppp,
        "Acct-Session-Id;User-Name,Acct-Session-Id;User-Name,Calling-Station-Id",
    );
    check_usual(
        Vendor::Generic,
        &ppp,
        "User-Name,Acct-Session-Id,Framed-IP-Address,Calling-Station-Id;User-Name,Acct-Session-Id;Acct-Session-Id",
    );
}

#[test]
fn what_is_not_known_is_left_out_and_a_set_that_means_several_sessions_is_not_used() {
    let mut bare = session("ana", "81000007");
    bare.place.framed_ipv4 = None;
    check_usual(Vendor::Mikrotik, &bare, "User-Name,Acct-Session-Id");
    bare.place.acct_session_id = CompactString::default();
    check_usual(Vendor::Mikrotik, &bare, "");
}

#[track_caller]
fn check_text(raw: &str, expected: Result<&str, &str>) {
    let template = raw.parse::<IdentityTemplate>();
    let shown = template.map(|template| template.to_string());
    let shown = shown.map_err(|error| error.to_string());
    let expected = expected.map(str::to_owned).map_err(str::to_owned);
    assert_eq!(shown, expected);
}

#[test]
fn a_template_is_read_as_it_is_written() {
    check_text("Acct-Session-Id", Ok("Acct-Session-Id"));
    check_text(
        "user-name, Framed-IP-Address ;NAS-Identifier,Acct-Session-Id",
        Ok("User-Name,Framed-IP-Address;NAS-Identifier,Acct-Session-Id"),
    );
}

#[test]
fn a_template_that_cannot_be_used_says_why() {
    check_text(
        "User-Name,Class",
        Err(
            "'Class' is not one of: User-Name, Acct-Session-Id, Framed-IP-Address, Framed-IPv6-Prefix, Calling-Station-Id, Called-Station-Id, NAS-Port-Id, NAS-IP-Address, NAS-Identifier",
        ),
    );
    check_text(
        "User-Name,NAS-IP-Address",
        Err(
            "'User-Name,NAS-IP-Address' would mean every session of a user or of a router: add Acct-Session-Id, Framed-IP-Address, Framed-IPv6-Prefix or Calling-Station-Id",
        ),
    );
    check_text(
        "Acct-Session-Id,acct-session-id",
        Err("Acct-Session-Id is named twice in one set"),
    );
    check_text(
        "Acct-Session-Id;Acct-Session-Id;Acct-Session-Id;Acct-Session-Id;Acct-Session-Id",
        Err("there are more than 4 sets: write fewer, with ';' between them"),
    );
}
