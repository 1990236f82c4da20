//! Subscribers whose password is stored as a hash.

use testkit::database::DatabaseKind;
use testkit::peer::pyrad::{self, Target};

use crate::site::{SECRET, Site, on_both_databases};

on_both_databases!(a_hash_serves_the_methods_it_can);

const PASSWORD: &str = "hash-pass-word";
/// The hashes of that password, made with perl's and OpenSSL's crypt.
const HASHES: [(&str, &str); 3] = [
    (
        "bcrypt",
        "$2b$05$abcdefghijklmnopqrstuu7Wsm086i6RoD8b5pSlPADYu63vQpmHS",
    ),
    (
        "sha512",
        "$6$saltsalt$FCyZ41Nna2jBA6X6YhJ5IGSC5dgonKcqOfL6pGIlxaL9T.p.LVM4R9bMdRdiPcVCDC9K.KGathfvNY/78DgdC1",
    ),
    ("nt", "{NT}8BFA6736AD896F2F315696A34CCDE983"),
];

fn a_hash_serves_the_methods_it_can(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    for (user, hash) in HASHES {
        let add = [
            "subscriber",
            "add",
            user,
            "--password-hash",
            hash,
            "--plan",
            "home",
        ];
        site.program.done(&add);
    }
    let server = site.program.serve();
    let target = Target {
        auth: server.auth,
        acct: server.acct,
        secret: SECRET,
    };
    for (user, _) in HASHES {
        let requests = [
            pyrad::Request::pap(user, PASSWORD),
            pyrad::Request::pap(user, "wrong"),
            pyrad::Request::chap(user, PASSWORD),
            pyrad::Request::ms_chap_v2(user, PASSWORD),
        ];
        let codes: Vec<String> = pyrad::ask(target, &requests)
            .into_iter()
            .map(|answer| answer.map_or_else(String::new, |answer| answer.code))
            .collect();
        let ms_chap = if user == "nt" {
            "Access-Accept"
        } else {
            "Access-Reject"
        };
        assert_eq!(
            codes,
            ["Access-Accept", "Access-Reject", "Access-Reject", ms_chap],
            "{user}"
        );
    }
}
