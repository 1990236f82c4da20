//! What the built-in dictionary holds, what dictionary files may say, and what is refused.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use super::*;
use crate::data_type::DataType;
use crate::dictionary::definition::Encryption;

#[track_caller]
fn check(name: &str, oid: &str, data_type: DataType) {
    let dictionary = Dictionary::builtin();
    let definition = dictionary.find(name).expect("the name is built in");
    assert_eq!(
        (
            definition.oid().to_string().as_str(),
            definition.data_type()
        ),
        (oid, data_type)
    );
}

#[test]
fn builtin_knows_attributes_of_access_networks() {
    check("User-Name", "1", DataType::Text);
    check("framed-ip-address", "8", DataType::Ipv4Address);
    check("Framed-Address", "8", DataType::Ipv4Address);
    check("Event-Timestamp", "55", DataType::Date);
    check("NAS-IPv6-Address", "95", DataType::Ipv6Address);
    check("Framed-Interface-Id", "96", DataType::InterfaceId);
    check("Delegated-IPv6-Prefix", "123", DataType::Ipv6Prefix);
    check("Error-Cause", "101", DataType::Integer32);
    check("IP-Port-Range-Start", "241.5.9", DataType::Integer32);
    check("Operator-NAS-Identifier", "241.8", DataType::Octets);
    check("ADSL-Agent-Circuit-Id", "26.3561.1", DataType::Octets);
    check("Mikrotik-Rate-Limit", "26.14988.8", DataType::Text);
    check("Mikrotik-Address-List", "26.14988.19", DataType::Text);
    check(
        "Mikrotik-Delegated-IPv6-Pool",
        "26.14988.22",
        DataType::Text,
    );
    check("MS-CHAP2-Response", "26.311.25", DataType::Octets);
    check(
        "WISPr-Bandwidth-Max-Down",
        "26.14122.8",
        DataType::Integer32,
    );
    check("Cisco-AVPair", "26.9.1", DataType::Text);
    check(
        "Huawei-Output-Average-Rate",
        "26.2011.5",
        DataType::Integer32,
    );
    check("ERX-Service-Activate", "26.4874.65", DataType::Text);
    check("Alc-Subsc-Prof-Str", "26.6527.12", DataType::Text);
    check("Acct-Input-Octets-64", "26.2352.128", DataType::Integer64);
    check("Ascend-Data-Rate", "26.529.197", DataType::Integer32);
    check("UBNT-Tunnel-Password", "26.41112.5.2", DataType::Text);
    check("Airespace-Interface-Name", "26.14179.5", DataType::Text);
    check(
        "ChilliSpot-Max-Total-Octets",
        "26.14559.3",
        DataType::Integer32,
    );
    check("Dlink-VLAN-Name", "26.171.10", DataType::Text);
    check("Extreme-Netlogin-Vlan", "26.1916.203", DataType::Text);
    check("Fortinet-Group-Name", "26.12356.1", DataType::Text);
    check("Meraki-Device-Name", "26.29671.1", DataType::Text);
    check("Motorola-Canopy-DLBR", "26.161.8", DataType::Integer32);
    check("Nomadix-Bw-Down", "26.3309.2", DataType::Integer32);
    check(
        "RP-Downstream-Speed-Limit",
        "26.10055.2",
        DataType::Integer32,
    );
    check(
        "Cambium-ePMP-Max-Burst-Uplink-Rate",
        "26.17713.26",
        DataType::Integer32,
    );
    check("Ruckus-User-Groups", "26.25053.1", DataType::Text);
    check("Aruba-User-Role", "26.14823.1", DataType::Text);
    check("H3C-Input-Average-Rate", "26.25506.2", DataType::Integer32);
    check("Juniper-Local-User-Name", "26.2636.1", DataType::Text);
}

#[test]
fn builtin_internal_names_are_never_sent() {
    let dictionary = Dictionary::builtin();
    for name in [
        "Cleartext-Password",
        "Auth-Type",
        "Fall-Through",
        "NT-Password",
        "Simultaneous-Use",
        "Expiration",
        "Login-Time",
        "Max-Daily-Session",
        "Pool-Name",
        "Crypt-Password",
        "Realm",
    ] {
        let definition = dictionary.find(name).expect("the name is built in");
        assert!(definition.is_internal(), "{name}");
        assert!(definition.oid().is_internal(), "{name}");
    }
}

#[test]
fn builtin_name_means_one_attribute() {
    let dictionary = Dictionary::builtin();
    for definition in dictionary.definitions() {
        assert_eq!(dictionary.find(definition.name()), Some(definition));
    }
}

#[test]
fn builtin_flags_are_those_of_the_rfcs() {
    let dictionary = Dictionary::builtin();
    let flags = |name| dictionary.find(name).expect("the name is built in").flags();
    assert_eq!(
        flags("User-Password").encryption,
        Some(Encryption::UserPassword)
    );
    assert_eq!(
        flags("MS-MPPE-Send-Key").encryption,
        Some(Encryption::TunnelPassword)
    );
    assert_eq!(
        flags("Ascend-Send-Secret").encryption,
        Some(Encryption::AscendSecret)
    );
    assert!(flags("Tunnel-Password").has_tag && flags("Tunnel-Type").has_tag);
    assert!(flags("EAP-Message").concat);
    assert_eq!(flags("MS-CHAP-Response").octets_exact, Some(50));
}

#[test]
fn values_are_found_in_both_directions() {
    let dictionary = Dictionary::builtin();
    let service_type = dictionary
        .find("Service-Type")
        .expect("the name is built in");
    assert_eq!(service_type.value_name(2), Some("Framed-User"));
    assert_eq!(service_type.value_number("framed-user"), Some(2));
    assert_eq!(service_type.value_number("Framed"), Some(2));
    assert_eq!(service_type.value_name(999), None);
    let terminate_cause = dictionary
        .find("Acct-Terminate-Cause")
        .expect("the name is built in");
    assert_eq!(terminate_cause.value_name(1), Some("User-Request"));
}

#[test]
fn vendors_are_found_in_both_directions() {
    let dictionary = Dictionary::builtin();
    assert_eq!(
        dictionary.find_vendor("mikrotik").map(Vendor::number),
        Some(14988)
    );
    assert_eq!(
        dictionary.find_vendor("Unisphere").map(Vendor::name),
        Some("ERX")
    );
    assert_eq!(
        dictionary.find_vendor_by_number(2352).map(Vendor::name),
        Some("Redback")
    );
    assert_eq!(dictionary.vendor_format(24757).header_octets(), 3);
    assert_eq!(dictionary.vendor_format(1), VendorFormat::USUAL);
    assert_eq!(
        dictionary.find_by_vendor(14988, 8).map(Definition::name),
        Some("Mikrotik-Rate-Limit")
    );
}

#[test]
fn unknown_attributes_are_named_by_number() {
    let dictionary = Dictionary::builtin();
    let oid = dictionary
        .resolve("attr-26.14988.250")
        .expect("a number is a name");
    assert_eq!(oid, Oid::vendor(14988, 250));
    assert_eq!(dictionary.name(&oid), "Attr-26.14988.250");
    assert_eq!(dictionary.name(&Oid::standard(1)), "User-Name");
    assert_eq!(dictionary.resolve("No-Such-Thing-Here"), None);
    assert_eq!(dictionary.resolve("é"), None);
}

fn load(text: &str) -> Result<Dictionary, String> {
    let mut dictionary = Dictionary::builtin();
    dictionary
        .load_text("test", text)
        .map(|()| dictionary)
        .map_err(|error| error.to_string())
}

#[track_caller]
fn check_loaded(text: &str, name: &str, oid: &str) {
    let dictionary = load(text).expect("the text is a dictionary");
    let definition = dictionary.find(name).expect("the text defines the name");
    assert_eq!(definition.oid().to_string(), oid);
    assert_eq!(dictionary.find_by_oid(&definition.oid()), Some(definition));
}

#[test]
fn every_form_of_attribute_is_loaded() {
    check_loaded("ATTRIBUTE My-Own 200 string # comment", "My-Own", "200");
    check_loaded(
        "attribute\tMy-Own\t0xC8\tuint32\thas_tag,encrypt=2",
        "My-Own",
        "200",
    );
    check_loaded(
        "VENDOR Acme 99\nATTRIBUTE Acme-A 1 string Acme",
        "Acme-A",
        "26.99.1",
    );
    check_loaded(
        "VENDOR Acme 99\nBEGIN-VENDOR Acme\nATTRIBUTE A 1 text\nEND-VENDOR Acme",
        "A",
        "26.99.1",
    );
    check_loaded(
        "VENDOR Acme 99\nBEGIN-VENDOR Acme\nATTRIBUTE T 1 tlv\nATTRIBUTE M 1.2 byte\nEND-VENDOR Acme",
        "M",
        "26.99.1.2",
    );
    check_loaded(
        "VENDOR Acme 99\nBEGIN-VENDOR Acme\nATTRIBUTE T 1 tlv\nBEGIN-TLV T\nATTRIBUTE M 3 ipv4addr\nEND-TLV T\n\
         END-VENDOR Acme",
        "M",
        "26.99.1.3",
    );
    check_loaded(
        "ATTRIBUTE T 241.200 tlv\nATTRIBUTE M .4 ether",
        "M",
        "241.200.4",
    );
    check_loaded(
        "VENDOR Acme 99\nBEGIN-VENDOR Acme format=Extended-Vendor-Specific-5\nATTRIBUTE A 1 octets[16]\nEND-VENDOR Acme",
        "A",
        "245.26.99.1",
    );
    check_loaded(
        "VENDOR Acme 99\nBEGIN-VENDOR Acme parent=Extended-Vendor-Specific-1\nATTRIBUTE A 1 string\nEND-VENDOR Acme",
        "A",
        "241.26.99.1",
    );
    check_loaded(
        "ATTRIBUTE S 201 struct\nMEMBER m uint8\nFLAGS internal\nATTRIBUTE I 202 string",
        "I",
        "202",
    );
    check_loaded(
        "ALIAS Rate Mikrotik-Rate-Limit\nALIAS Later My-Own\nATTRIBUTE My-Own 200 string",
        "Later",
        "200",
    );
}

#[test]
fn later_definition_wins_and_keeps_values() {
    let dictionary =
        load("ATTRIBUTE Kind-Of-Service 6 integer\nVALUE Kind-Of-Service Fibre 77").expect("loads");
    let definition = dictionary
        .find("Service-Type")
        .expect("the older name stays");
    assert_eq!(definition.name(), "Kind-Of-Service");
    assert_eq!(
        (
            definition.value_number("Fibre"),
            definition.value_number("Framed-User")
        ),
        (Some(77), Some(2))
    );
}

#[test]
fn standard_attribute_keeps_its_name() {
    let text = "VENDOR Acme 99\nBEGIN-VENDOR Acme\nATTRIBUTE Tunnel-Password 1 string\nEND-VENDOR Acme\n\
                ATTRIBUTE Digest-Realm 1063 string";
    let dictionary = load(text).expect("loads");
    assert_eq!(
        dictionary.find("Tunnel-Password").map(Definition::oid),
        Some(Oid::standard(69))
    );
    assert_eq!(
        dictionary.find("Acme-Tunnel-Password").map(Definition::oid),
        Some(Oid::vendor(99, 1))
    );
    assert_eq!(
        dictionary.find("Digest-Realm").map(Definition::oid),
        Some(Oid::standard(104))
    );
}

#[test]
fn vendor_layouts_are_loaded() {
    for (format, type_octets, length_octets, continuation) in [
        ("", 1, 1, false),
        ("format=2,2", 2, 2, false),
        ("format=4,0", 4, 0, false),
        ("format=1,1,c", 1, 1, true),
    ] {
        let dictionary = load(&format!("VENDOR Acme 99 {format}")).expect("loads");
        assert_eq!(
            dictionary.vendor_format(99),
            VendorFormat {
                type_octets,
                length_octets,
                continuation
            }
        );
    }
}

#[track_caller]
fn check_refused(text: &str, expected: &str) {
    let actual = load(text).map(drop).expect_err("the text is refused");
    assert!(actual.starts_with(expected), "{actual}");
    assert!(
        expected.len() < actual.len() || expected.contains("write"),
        "says the remedy: {actual}"
    );
}

#[test]
fn errors_name_file_line_and_remedy() {
    check_refused(
        "\nATTRIBUTE A 200 quaternion",
        "test:2: unknown type `quaternion`: use",
    );
    check_refused(
        "ATTRIBUTE A 200 octets[x]",
        "test:1: unknown type `octets[x]`: use",
    );
    check_refused(
        "ATTRIBUTE A 200 string encript=2",
        "test:1: unknown flag `encript=2`: use",
    );
    check_refused(
        "ATTRIBUTE A 200",
        "test:1: the line is incomplete: write `ATTRIBUTE name",
    );
    check_refused(
        "ATTRIBUTE A two string",
        "test:1: `two` is not a number here: write",
    );
    check_refused(
        "ATTRIBUTE A 1.2.3.4.5.6.7.8.9 string",
        "test:1: `1.2.3.4.5.6.7.8.9` is not a number",
    );
    check_refused(
        "ATTRIBUTE A .2 string",
        "test:1: `.2` is not a number here: write",
    );
    check_refused(
        "ATTRIBUTE A=B 200 string",
        "test:1: `A=B` is not a name: use",
    );
    check_refused(
        "ATTRIBUTE A 250.1 string",
        "test:1: attribute 250.1 is inside 250, which is not defined: put",
    );
    check_refused(
        "ATTRIBUTE A 1.1 string",
        "test:1: `User-Name` contains no attributes: give it",
    );
}

#[test]
fn errors_of_blocks_and_values_name_file_line_and_remedy() {
    check_refused(
        "ATRIBUTE A 200 string",
        "test:1: unknown keyword `ATRIBUTE`: a line begins",
    );
    check_refused(
        "VALUE No-Such-Name x 1",
        "test:1: unknown attribute `No-Such-Name`: correct",
    );
    check_refused(
        "VALUE Service-Type x y",
        "test:1: `y` is not a number here: write",
    );
    check_refused(
        "VENDOR Acme 99 format=3,1",
        "test:1: `format=3,1` is not a vendor layout: write",
    );
    check_refused(
        "BEGIN-VENDOR Acme",
        "test:1: unknown vendor `Acme`: put `VENDOR Acme NUMBER`",
    );
    check_refused(
        "BEGIN-VENDOR Cisco\n",
        "test:0: the block `Cisco` is still open at the end of the file: close",
    );
    check_refused(
        "END-VENDOR Cisco",
        "test:1: `Cisco` is not the block that is open: close",
    );
    check_refused(
        "BEGIN-TLV User-Name",
        "test:1: `User-Name` contains no attributes: give it",
    );
    check_refused(
        "BEGIN-VENDOR Cisco parent=User-Name",
        "test:1: `User-Name` holds no vendor attributes: name",
    );
    check_refused(
        "BEGIN-PROTOCOL DHCPv4",
        "test:1: protocol `DHCPv4` is not RADIUS: do",
    );
    check_refused("ALIAS New Old", "test:1: unknown attribute `Old`: correct");
    check_refused(
        "$INCLUDE",
        "test:1: the line is incomplete: write `$INCLUDE path`",
    );
}

#[track_caller]
fn load_files(files: &[(&str, &str)]) -> Result<Dictionary, String> {
    let files = files.iter().copied().collect::<HashMap<_, _>>();
    let mut read = |path: &Path| {
        let text = path
            .to_str()
            .and_then(|path| files.get(path))
            .ok_or(io::ErrorKind::NotFound)?;
        Ok(text.as_bytes().to_vec())
    };
    let mut dictionary = Dictionary::new();
    dictionary
        .load_file(Path::new("/d/main"), &mut read)
        .map(|()| dictionary)
        .map_err(|error| error.to_string())
}

#[test]
fn included_files_are_read_relative_to_the_including_one() {
    let files = [
        (
            "/d/main",
            "$INCLUDE sub/one\n$INCLUDE- absent\nATTRIBUTE Main 1 string",
        ),
        ("/d/sub/one", "$INCLUDE ./two\nATTRIBUTE One 2 string"),
        ("/d/sub/two", "ATTRIBUTE Two 3 string\nVALUE Main late 4"),
    ];
    let dictionary = load_files(&files).expect("loads");
    assert_eq!(
        dictionary
            .definitions()
            .map(Definition::name)
            .collect::<Vec<_>>(),
        ["Two", "One", "Main"]
    );
    assert_eq!(
        dictionary
            .find("Main")
            .and_then(|main| main.value_number("late")),
        Some(4)
    );
}

#[track_caller]
fn check_include_refused(files: &[(&str, &str)], expected: &str) {
    let actual = load_files(files)
        .map(drop)
        .expect_err("the files are refused");
    assert!(actual.starts_with(expected), "{actual}");
}

#[test]
fn includes_are_bounded() {
    check_include_refused(
        &[("/d/main", "\n$INCLUDE gone")],
        "/d/main:2: cannot read the file (/d/gone: ",
    );
    check_include_refused(&[], "/d/main:0: cannot read the file");
    check_include_refused(
        &[("/d/main", "$INCLUDE ../d/./main")],
        "/d/main:1: the file includes itself",
    );
    check_include_refused(
        &[("/d/main", "$INCLUDE a/b"), ("/d/a/b", "$INCLUDE ../main")],
        "/d/a/b:1: the file includes itself",
    );
    let many = "$INCLUDE leaf\n".repeat(loader::FILES_MAX);
    check_include_refused(
        &[("/d/main", &many), ("/d/leaf", "")],
        "/d/main:1024: more than 1024 files",
    );
    let large = " ".repeat(loader::OCTETS_MAX + 1);
    check_include_refused(&[("/d/main", &large)], "/d/main:0: more than");
    let chain = (0..=loader::INCLUDE_DEPTH_MAX + 1)
        .map(|depth| (format!("/d/{depth}"), format!("$INCLUDE {}", depth + 1)))
        .collect::<Vec<_>>();
    let mut files = vec![("/d/main", "$INCLUDE 0")];
    files.extend(
        chain
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str())),
    );
    check_include_refused(&files, "/d/7:1: more than 8 $INCLUDEs");
}

#[test]
fn refused_file_changes_nothing() {
    let mut dictionary = Dictionary::builtin();
    let before = dictionary.definitions().count();
    assert!(
        dictionary
            .load_text("test", "ATTRIBUTE A 200 string\nnonsense")
            .is_err()
    );
    assert_eq!(
        (dictionary.definitions().count(), dictionary.find("A")),
        (before, None)
    );
}

#[test]
fn octets_that_are_not_utf8_are_tolerated_in_comments() {
    let mut dictionary = Dictionary::new();
    let mut read = |_: &Path| Ok(b"# caf\xe9\nATTRIBUTE A 1 string".to_vec());
    assert!(dictionary.load_file(Path::new("x"), &mut read).is_ok());
    assert!(dictionary.find("a").is_some());
}
