//! Known-good passwords; the hashes were made with Python's hashlib and crypt.

use radius::packet::Packet;
use rows::access::{Authorization, Demand, Refusal};
use rows::password::PasswordKind;
use rows::row::Mode;

use crate::world::{MESSAGE, PASSWORD, Words, World, packet, request};

const MD5: &str = "8fe4c11451281c094a6578e6ddbf5eed";
const NT: &str = "8CC19B6A8CFEAC299C2871C86B38DE28";

#[track_caller]
fn check(attribute: &str, value: &str, is_right: bool) {
    let world = World::default().user("u", &[(attribute, ":=", value)], &[], &[]);
    let ask = |password: &[u8]| world.ask_with("u", "", Some(password), Mode::Compatible);
    let expected = if is_right { "accept" } else { "reject" };
    assert_eq!(ask(b"pw"), expected, "{attribute} {value}");
    assert_eq!(ask(b"pv"), "reject", "{attribute} {value}");
    assert_eq!(ask(b""), "reject", "{attribute} {value}");
}

#[test]
fn digests_are_read_in_hexadecimal_base64_and_octets() {
    for value in [
        MD5,
        "8FE4C11451281C094A6578E6DDBF5EED",
        "0x8fe4c11451281c094a6578e6ddbf5eed",
        "j+TBFFEoHAlKZXjm3b9e7Q==",
        "j+TBFFEoHAlKZXjm3b9e7Q",
    ] {
        check("MD5-Password", value, true);
    }
    check("MD5-Password", &MD5[..10], false);
    check(
        "SHA-Password",
        "1a91d62f7ca67399625a4368a6ab5d4a3baa6073",
        true,
    );
    check("SHA1-Password", "GpHWL3ymc5liWkNopqtdSjuqYHM=", true);
    check("SSHA-Password", "xjYiFwCXYHDBCcAipug5MNqiSamhssPU", true);
    check(
        "SHA2-Password",
        "bebeef056d2fc0c96fbdd3372c8b766a0d3b5bac45cc56a4f15235cd",
        true,
    );
    check(
        "SHA2-Password",
        "vhloOHNt39AAfdiy6PRvItRA1MWVmSXLSRNavJzbAehJYapD3Q3bbuWZdetkkoDZ9ECIhArzdFGCimQSubV0/A==",
        true,
    );
    check(
        "SSHA2-256-Password",
        "1ChJGNcK/WeuoQyiEJhIs2sBIbUx2N/ww3xWzECWW/OhssPU",
        true,
    );
    check("NT-Password", NT, true);
    check("LM-Password", "E52CAC67419A9A224A3B108F3FA6CB6D", false);
    check("PBKDF2-Password", "HMACSHA2+256:AAAD6A:AAAA:AAAA", false);
}

#[test]
fn crypt_knows_what_libcrypt_knows() {
    for hash in [
        "abzlUXK5ed5rs",
        "_J9..abcdTZ/33djMPto",
        "$1$abcdefgh$IQtUouv7y7Q9dRWkQEPCc.",
        "$y$j9T$abcdefgh$UGYCVcUwcoG0k8SZZ.Uz3i0RYQNy1YmYj4I4poBPer2",
        "$sha1$1000$abcdefgh$N4FA5boZwbgLu3FpW13GlXZDlQjB",
        "$5$rounds=1000$saltsalt$eNI.02a9Kos9UxzxjTLpNZ6kYHkRe9Z8OsGkDDoW/X2",
        "$2b$04$abcdefghijklmnopqrstuuyvPXIbu7xe6/CED2DzX8z6Si09MlzlW",
        "$6$d/d6ks5iJZICs3Fi$2OwZgYwG9uNW2Mx0LX0BrDBKvHtkrXoJC9U4IRNz66daFG9fYL4G5PuBzrxz1dC37O1FRD7uakM8N0e.0XvdC/",
        "$2y$04$abcdefghijklmnopqrstuuyvPXIbu7xe6/CED2DzX8z6Si09MlzlW",
    ] {
        check("Crypt-Password", hash, true);
    }
    for hash in ["pw", "", "*", "$1$", "$5$$$", "$y$", "$7$x", "!!"] {
        check("Crypt-Password", hash, false);
    }
}

#[test]
fn headers_say_what_follows() {
    for value in [
        "{clear}pw",
        "{CLEARTEXT}pw",
        "{crypt}abzlUXK5ed5rs",
        "{sha}GpHWL3ymc5liWkNopqtdSjuqYHM=",
        "{ssha}xjYiFwCXYHDBCcAipug5MNqiSamhssPU",
        "pw",
        "e2NsZWFyfXB3",
    ] {
        check("Password-With-Header", value, true);
    }
    check("Password-With-Header", &format!("{{md5}}{MD5}"), true);
    check("Password-With-Header", &format!("{{x-nthash}}{NT}"), true);
    check("Password-With-Header", &format!("{{x- orclntv}}{NT}"), true);
    for value in [
        "{unknown}pw",
        "{}pw",
        "{ns-mta-md5}x",
        "{lm}E52CAC67419A9A224A3B108F3FA6CB6D",
    ] {
        check("Password-With-Header", value, false);
    }
    let world = World::default().user(
        "u",
        &[("Password-With-Header", ":=", "{unknown}pw")],
        &[],
        &[],
    );
    assert_eq!(
        world.ask_with("u", "", Some(b"{unknown}pw"), Mode::Strict),
        "accept"
    );
}

/// Whether `pw` is right with several passwords.
#[track_caller]
fn check_order(rows: Words<'_>, expected: &str) {
    let world = World::default().user("u", rows, &[], &[]);
    assert_eq!(world.ask("u"), expected);
}

#[test]
fn the_first_password_counts_and_those_with_headers_come_last() {
    let header = ("Password-With-Header", ":=", "{clear}pw");
    let wrong = ("Cleartext-Password", ":=", "other");
    let zeros = "00000000000000000000000000000000";
    check_order(&[PASSWORD, wrong], "accept");
    check_order(&[wrong, header], "reject");
    check_order(&[header, wrong], "reject");
    check_order(&[header, ("MD5-Password", ":=", zeros)], "reject");
    check_order(&[("MD5-Password", ":=", zeros), PASSWORD], "reject");
    check_order(
        &[("Password-With-Header", ":=", "{clear}no"), header],
        "reject",
    );
    check_order(&[("Cleartext-Password", ":=", "\"pw\"")], "accept");
}

#[test]
fn every_operator_on_a_crypt_password() {
    for (op, expected) in [
        (":=", "accept"),
        ("+=", "accept"),
        ("=", "accept"),
        ("^=", "accept"),
        ("<=", "accept"),
        (">=", "accept"),
        ("==", "reject"),
        ("-=", "reject"),
        ("!=", "reject"),
        ("<", "reject"),
        ("=~", "reject"),
        ("!*", "reject"),
        ("=*", "reject"),
        ("", "reject"),
    ] {
        check_order(&[("Crypt-Password", op, "abzlUXK5ed5rs")], expected);
    }
}

/// What is demanded of a request with these attributes.
fn demand(rows: Words<'_>, extra: &str, password: Option<&[u8]>) -> String {
    let world = World::default().user("u", rows, &[], &[]);
    let bytes = packet(extra);
    let packet = Packet::parse(&bytes).expect("a well-formed packet");
    let outcome = world.outcome(&request(&packet, b"u", password), Mode::Compatible);
    let Authorization::Found(access) = outcome.authorization else {
        panic!("rows are refused");
    };
    match access.demand() {
        Demand::Nothing => "nothing".to_owned(),
        Demand::Refused(refusal) => format!("{refusal:?}"),
        Demand::Pap(known_good) => format!("pap {}", known_good.kind().name()),
        Demand::Chap(known_good) => format!("chap {}", known_good.cleartext().is_some()),
        Demand::MsChap(hash) => format!("mschap {:02X}", hash[0]),
    }
}

const CHAP: &str = "CHAP-Password = 0x0102030405060708090a0b0c0d0e0f1011";
const MS_CHAP: &str = "MS-CHAP-Challenge = 0x0102030405060708, MS-CHAP-Response = 0x0001000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000";

const EAP: &str = "EAP-Message = 0x020a00160410000102030405060708090a0b0c0d0e0f";

#[test]
fn eap_takes_the_password_in_clear() {
    let hashed = [("MD5-Password", ":=", MD5)];
    let unusable = format!("{:?}", Refusal::PasswordUnusable(PasswordKind::Md5));
    assert_eq!(demand(&[PASSWORD], EAP, None), "chap true");
    assert_eq!(demand(&hashed, EAP, None), unusable);
    let set = |value: &'static str| [PASSWORD, ("Auth-Type", ":=", value)];
    assert_eq!(demand(&set("eap"), EAP, None), "chap true");
    assert_eq!(demand(&set("Accept"), EAP, None), "nothing");
    assert_eq!(demand(&set("Reject"), EAP, None), "AuthTypeReject");
    assert_eq!(demand(&set("CHAP"), EAP, None), "AuthTypeDiffers");
    assert_eq!(demand(&set("EAP"), CHAP, None), "AuthTypeDiffers");
    assert_eq!(demand(&set("EAP"), "", Some(b"pw")), "AuthTypeDiffers");
}

#[test]
fn each_method_takes_the_password_that_it_can_use() {
    let hashed = [("MD5-Password", ":=", MD5)];
    let unusable = format!("{:?}", Refusal::PasswordUnusable(PasswordKind::Md5));
    assert_eq!(demand(&[PASSWORD], CHAP, None), "chap true");
    assert_eq!(demand(&[PASSWORD], MS_CHAP, None), "mschap 8C");
    assert_eq!(
        demand(&[("NT-Password", ":=", NT)], MS_CHAP, None),
        "mschap 8C"
    );
    assert_eq!(demand(&hashed, CHAP, None), unusable);
    assert_eq!(demand(&hashed, MS_CHAP, None), unusable);
    assert_eq!(demand(&hashed, "", Some(b"pw")), "pap md5");
    let both = [
        ("Cleartext-Password", ":=", "zz"),
        ("NT-Password", ":=", NT),
    ];
    assert_eq!(demand(&both, MS_CHAP, None), "mschap 8C");
    let short = [PASSWORD, ("NT-Password", ":=", "abcd")];
    assert_eq!(demand(&short, MS_CHAP, None), "mschap 8C");
    assert_eq!(demand(&[PASSWORD], CHAP, Some(b"pw")), "chap true");
    assert_eq!(demand(&[PASSWORD], "", None), "NoCredential");
    assert_eq!(
        demand(&[("Port-Limit", ":=", "1")], "", Some(b"pw")),
        "NoPassword"
    );
}

#[test]
fn auth_type_chooses_and_the_last_one_counts() {
    let set = |value: &'static str| [PASSWORD, ("Auth-Type", ":=", value)];
    for accept in ["Accept", "ACCEPT", "254"] {
        assert_eq!(demand(&set(accept), "", None), "nothing");
        assert_eq!(demand(&set(accept), CHAP, None), "nothing");
    }
    assert_eq!(demand(&set("Reject"), "", Some(b"pw")), "AuthTypeReject");
    assert_eq!(demand(&set("pap"), "", Some(b"pw")), "pap cleartext");
    for other in ["CHAP", "MS-CHAP", "Local", "0", "999", "1024"] {
        assert_eq!(
            demand(&set(other), "", Some(b"pw")),
            "AuthTypeDiffers",
            "{other}"
        );
    }
    let accept = ("Auth-Type", "+=", "Accept");
    assert_eq!(
        demand(
            &[PASSWORD, accept, ("Auth-Type", "+=", "PAP")],
            "",
            Some(b"pw")
        ),
        "pap cleartext"
    );
    assert_eq!(
        demand(
            &[PASSWORD, ("Auth-Type", "+=", "PAP"), accept],
            "",
            Some(b"pw")
        ),
        "nothing"
    );
    assert_eq!(
        demand(&[accept, ("Auth-Type", "+=", "Reject"), accept], "", None),
        "AuthTypeReject"
    );
    // The request has chosen CHAP already, so `=` is too late.
    assert_eq!(
        demand(&[PASSWORD, ("Auth-Type", "=", "Accept")], CHAP, None),
        "chap true"
    );
    let unknown = World::default().user(
        "u",
        &[PASSWORD, ("Auth-Type", ":=", "LDAP")],
        &[MESSAGE],
        &[],
    );
    assert_eq!(unknown.ask("u"), "reject");
}
