//! What a file may look like, and how each mistake is told.

use domain::credential::Credential;
use domain::subscriber::{StaticAddresses, SubscriberStatus};

use super::*;

fn plans() -> Plans {
    HashMap::from([
        ("home".to_owned(), PlanId::from_bytes([1; 16])),
        ("work".to_owned(), PlanId::from_bytes([2; 16])),
    ])
}

fn read_text(text: &[u8]) -> Result<Sheet, ImportFailure> {
    read(text, TenantId::DEFAULT, &plans(), |_| {})
}

#[track_caller]
fn check_names(text: &str, expected: &[&str]) {
    let sheet = read_text(text.as_bytes()).expect("the file is good");
    let names: Vec<&str> = sheet.rows.iter().map(|row| row.username.as_str()).collect();
    assert_eq!(names, expected);
}

#[track_caller]
fn check_refused(text: &str, expected: &str) {
    let error = read_text(text.as_bytes()).expect_err("the file is wrong");
    assert_eq!(error.to_string(), expected);
}

#[track_caller]
fn check_lines(text: &[u8], expected: &[(u64, &str)]) {
    match read_text(text) {
        Err(ImportFailure::Lines { complaints, .. }) => {
            let told: Vec<(u64, &str)> = complaints
                .iter()
                .map(|complaint| (complaint.line, complaint.text.as_str()))
                .collect();
            assert_eq!(told, expected);
        }
        other => panic!("expected wrong lines, found {other:?}"),
    }
}

#[test]
fn columns_may_come_in_any_order_and_lines_end_as_on_any_system() {
    check_names("username,password,plan\nAna,a,home\n", &["ana"]);
    check_names("plan,username,password\r\nHOME,ben,b\r\n", &["ben"]);
    check_names("Username;Password;Plan\nana;a,b;home", &["ana"]);
    check_names("\u{feff}username,password,plan\nana,a,home\n", &["ana"]);
    check_names("username,password,plan\n", &[]);
    check_names("username,password,plan\n\nana,\"a\nb\",home\n\n", &["ana"]);
}

#[test]
fn optional_columns_may_be_empty() {
    let text = "username,password,plan,password_hash,static_ipv4,ipv6_prefix,ipv6_delegated,expires_at,status\n\
        ana,,home,{NT}8846f7eaee8fb117ad06bdd830b7586c,100.64.0.7,2001:db8:7::/64,2001:db8:700::/56,2027-01-01,disabled\n\
        ben,b,work,,,,,,\n";
    let sheet = read_text(text.as_bytes()).expect("the file is good");
    let [ana, ben] = sheet.rows.as_slice() else {
        panic!("two lines are two rows");
    };
    assert!(matches!(ana.credential, Credential::Hashed(_)));
    assert_eq!(ana.status, SubscriberStatus::Disabled);
    assert_eq!(ana.addresses.ipv4, Some([100, 64, 0, 7].into()));
    assert!(ana.expires_at.is_some());
    assert_eq!(ben.status, SubscriberStatus::Active);
    assert_eq!(ben.addresses, StaticAddresses::default());
    assert_eq!(sheet.lines, [2, 3]);
}

#[test]
fn a_password_keeps_its_spaces() {
    let sheet = read_text(b"username,password,plan\nana, a ,home\n").expect("the file is good");
    let Some(Credential::Cleartext(secret)) = sheet.rows.first().map(|row| &row.credential) else {
        panic!("the line has a password");
    };
    assert_eq!(secret.expose(), b" a ");
}

#[test]
fn the_header_says_what_is_there() {
    check_refused(
        "username,password,plan,mac\n",
        "line 1: unknown column 'mac': known are username, password, password_hash, plan, static_ipv4, ipv6_prefix, ipv6_delegated, starts_at, expires_at, status",
    );
    check_refused(
        "username,password\n",
        "line 1: the column 'plan' is missing",
    );
    check_refused(
        "username,plan\n",
        "line 1: the column 'password' is missing",
    );
    check_refused(
        "username,password,plan,plan\n",
        "line 1: the column 'plan' is there twice",
    );
}

#[test]
fn a_file_without_header_does_not_give_away_its_first_password() {
    let expected =
        "line 1 is not a header: it must name the columns, for example username,password,plan";
    check_refused("kookaburra,ana,home\n", expected);
    check_refused("", expected);
}

#[test]
fn every_wrong_line_is_told_with_its_number_and_field() {
    check_lines(
        b"username,password,plan\n\
        ana,a,home\n\
        b b,b,home\n\
        cay,,home\n\
        dan,d,gold\n\
        ANA,a,home\n\
        eve,e\n\
        fay,\xff,home\n",
        &[
            (
                3,
                "username: a user name has a space, a control character or a letter outside ASCII at octet 1: use printable ASCII without spaces",
            ),
            (4, "password: the password is empty: write 1 to 128 octets"),
            (
                5,
                "plan: there is no plan 'gold': `lastmile plan list` shows them",
            ),
            (6, "username: 'ana' is also in line 2"),
            (
                7,
                "2 fields, and the header names 3: quote fields that contain a comma",
            ),
            (8, "password: it is not UTF-8: save the file as UTF-8"),
        ],
    );
}

#[test]
fn complaints_name_the_optional_columns() {
    let header = "username,password,plan,static_ipv4,ipv6_prefix,expires_at,status\n";
    let rows = [
        (
            "ana,a,home,10.0.0,,,",
            "static_ipv4: '10.0.0' is not an IPv4 address: write four numbers (100.64.0.7)",
        ),
        (
            "ana,a,home,,2001:db8::1/64,,",
            "ipv6_prefix: '2001:db8::1/64' has bits set behind its length: the prefix is 2001:db8::/64",
        ),
        (
            "ana,a,home,,,soon,",
            "expires_at: 'soon' is not a time: write a date (2026-12-31) or a date and time with zone (2026-12-31T18:00:00Z)",
        ),
        (
            "ana,a,home,,,,gone",
            "status: 'gone' is not one of: active, disabled, pending, suspended_walled, suspended_hard",
        ),
    ];
    for (row, expected) in rows {
        check_lines(format!("{header}{row}\n").as_bytes(), &[(2, expected)]);
    }
}

#[test]
fn complaints_are_bounded_and_the_rest_is_counted() {
    let mut text = "username,password,plan\n".to_owned();
    text.push_str(&"ana,,home\n".repeat(COMPLAINTS_MAX + 7));
    let error = read_text(text.as_bytes()).expect_err("every line is wrong");
    assert_eq!(error.to_string(), "wrong lines: 107; nothing was imported");
    let ImportFailure::Lines {
        complaints,
        omitted,
    } = error
    else {
        panic!("lines are wrong");
    };
    assert_eq!((complaints.len(), omitted), (COMPLAINTS_MAX, 7));
}
