//! Marks, and what follows when they differ.

use super::*;
use crate::access::RejectReason;
use crate::garden::{Garden, GardenTerms};
use crate::id::{GardenId, PlanId, TenantId};
use crate::limit::{AtLimit, Limits, VolumeLeft};
use crate::plan::{PlanTerms, TimeoutSeconds};
use crate::session_command::EndReason;

const UNTIL: Timestamp = Timestamp::from_seconds(1_900_000_000);

fn terms(rate: &str) -> PlanTerms {
    PlanTerms {
        rate: Some(rate.parse().expect("a valid rate")),
        session_timeout_seconds: TimeoutSeconds::new(86_400).ok(),
        pool: "home".parse().ok(),
        ..PlanTerms::default()
    }
}

fn limited(rate: &str, quotas: &str, at_limit: AtLimit) -> PlanTerms {
    PlanTerms {
        limits: Some(Box::new(Limits {
            quotas: quotas.parse().expect("valid quotas"),
            at_limit,
            ..Limits::default()
        })),
        ..terms(rate)
    }
}

fn garden(list: &str) -> Garden {
    Garden {
        id: GardenId::from_bytes([1; 16]),
        tenant: TenantId::DEFAULT,
        name: "pay".parse().expect("a valid name"),
        terms: GardenTerms {
            pool: None,
            address_list: list.parse().ok(),
            rate: "256k".parse().ok(),
            redirect: "https://pay.example/".parse().ok(),
            session_timeout_seconds: TimeoutSeconds::new(300).expect("a valid timeout"),
        },
    }
}

/// What a plan grants to somebody without an address of their own.
fn grants(terms: &PlanTerms) -> Grants<'_> {
    Grants {
        rate: terms.rate.as_ref(),
        session_timeout_seconds: terms
            .session_timeout_seconds
            .map(TimeoutSeconds::as_seconds),
        idle_timeout_seconds: None,
        interim_seconds: terms.interim.as_seconds(),
        ipv4: None,
        ipv6_prefix: None,
        ipv6_delegated: None,
        pool: terms.pool.as_ref().map(|pool| pool.as_str()),
        session_limit: None,
        sessions_to_end: 0,
        volume_left: VolumeLeft::default(),
        is_at_limit: false,
        garden: None,
        notice: None,
    }
}

fn walled<'a>(terms: &'a PlanTerms, garden: &'a Garden) -> Grants<'a> {
    Grants {
        rate: garden.terms.rate.as_ref(),
        session_timeout_seconds: Some(garden.terms.session_timeout_seconds.as_seconds()),
        garden: Some(garden),
        ..grants(terms)
    }
}

fn mark_of(terms: &PlanTerms, grants: &Grants<'_>, vendor: Vendor) -> TermsMark {
    let basis = Basis {
        plan: &PlanMark::of(terms),
        plan_at_limit: None,
        until: None,
        top_ups: &[],
    };
    TermsMark::of(grants, &basis, vendor)
}

fn mark(terms: &PlanTerms, vendor: Vendor) -> TermsMark {
    mark_of(terms, &grants(terms), vendor)
}

fn set(terms: &[Term]) -> TermSet {
    terms.iter().copied().collect()
}

/// Routers and databases keep marks: one that changes here disturbs every session at an upgrade.
#[test]
fn a_mark_is_what_it_was_in_every_version() {
    let terms = limited("25M/50M", "50G/month,time:2h/day", AtLimit::Block);
    let grants = Grants {
        ipv4: Some([100, 64, 0, 7].into()),
        ipv6_prefix: "2001:db8::/64".parse().ok(),
        idle_timeout_seconds: Some(600),
        ..grants(&terms)
    };
    let basis = Basis {
        plan: &PlanMark::of(&terms),
        plan_at_limit: None,
        until: Some(UNTIL),
        top_ups: &[],
    };
    let shown = |grants: &Grants<'_>| {
        let octets = TermsMark::of(grants, &basis, Vendor::Mikrotik).to_octets();
        let hex: Vec<_> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        hex.concat()
    };
    let plain = "001b7c12689289e879000000001bed326e000000000000000000000000";
    assert_eq!(shown(&grants), plain);
    let garden = garden("walled");
    let fenced = "01bca7418edd33af56000000004d3cd9793f5ca6a9000000009f2fd6dc";
    assert_eq!(shown(&walled(&terms, &garden)), fenced);
}

#[test]
fn a_mark_survives_its_stored_form_and_others_are_not_read() {
    let terms = terms("1M/1M");
    let garden = garden("walled");
    for mark in [
        mark(&terms, Vendor::Mikrotik),
        mark_of(&terms, &walled(&terms, &garden), Vendor::Cisco),
        TermsMark::default(),
    ] {
        let octets = mark.to_octets();
        assert_eq!(TermsMark::from_octets(&octets), Some(mark));
        assert_eq!(TermsMark::from_octets(&octets[1..]), None);
        let later = [&octets[..], &[0; 4]].concat();
        assert_eq!(TermsMark::from_octets(&later), None);
        let unknown_flag = [&[2], &octets[1..]].concat();
        assert_eq!(TermsMark::from_octets(&unknown_flag), None);
    }
}

/// What differs between what two plans tell a MikroTik.
#[track_caller]
fn check_differing(before: &PlanTerms, after: &PlanTerms, expected: &[Term]) {
    let vendor = Vendor::Mikrotik;
    let differing = mark(before, vendor).differing(&mark(after, vendor));
    assert_eq!(differing, set(expected));
}

#[test]
fn each_part_of_a_plan_is_one_term() {
    let plan = limited("1M/1M", "50G/month", AtLimit::Block);
    check_differing(&plan, &plan.clone(), &[]);
    let faster = limited("2M/2M", "50G/month", AtLimit::Block);
    check_differing(&plan, &faster, &[Term::Rate]);
    let larger = limited("1M/1M", "60G/month", AtLimit::Block);
    check_differing(&plan, &larger, &[Term::Limits]);
    check_differing(&plan, &terms("1M/1M"), &[Term::Limits]);
    let moved = PlanTerms {
        pool: "other".parse().ok(),
        ..plan.clone()
    };
    check_differing(&plan, &moved, &[Term::Address]);
    let shorter = PlanTerms {
        session_timeout_seconds: TimeoutSeconds::new(60).ok(),
        ..plan.clone()
    };
    check_differing(&plan, &shorter, &[Term::Limits]);
}

#[test]
fn what_is_only_for_the_books_changes_nothing() {
    let plan = terms("1M/1M");
    let reported = PlanTerms {
        interim: crate::plan::InterimInterval::new(60).expect("a valid interval"),
        session_limit: crate::plan::SessionLimit::new(2).ok(),
        ..plan.clone()
    };
    check_differing(&plan, &reported, &[]);
    // What happens at a limit that is not reached is not told to anybody.
    let blocked = limited("1M/1M", "50G/month", AtLimit::Block);
    let slow = AtLimit::Throttle("64k".parse().expect("a valid rate"));
    check_differing(&blocked, &limited("1M/1M", "50G/month", slow), &[]);
}

#[test]
fn use_alone_changes_nothing_until_the_limit() {
    let slow = AtLimit::Throttle("64k".parse().expect("a valid rate"));
    let plan = limited("1M/1M", "50G/month", slow);
    let before = mark(&plan, Vendor::Mikrotik);
    let used = Grants {
        session_timeout_seconds: Some(17),
        volume_left: VolumeLeft {
            traffic: std::num::NonZeroU64::new(4),
            ..VolumeLeft::default()
        },
        ..grants(&plan)
    };
    assert_eq!(mark_of(&plan, &used, Vendor::Mikrotik), before);
    let at_limit = Grants {
        is_at_limit: true,
        ..used
    };
    let after = mark_of(&plan, &at_limit, Vendor::Mikrotik);
    assert_eq!(before.differing(&after), set(&[Term::Rate, Term::Limits]));
    // The speed at the limit is the same as that of a plan which has it always.
    assert_eq!(
        after.differing(&mark(&terms("64k"), Vendor::Mikrotik)),
        set(&[Term::Limits])
    );
}

#[test]
fn the_plan_at_the_limit_grants_its_own_terms() {
    let other = terms("64k");
    let own = limited(
        "1M/1M",
        "50G/month",
        AtLimit::Plan(PlanId::from_bytes([3; 16])),
    );
    let (own_mark, other_mark) = (PlanMark::of(&own), PlanMark::of(&other));
    let basis = Basis {
        plan: &own_mark,
        plan_at_limit: Some(&other_mark),
        until: None,
        top_ups: &[],
    };
    let at_limit = Grants {
        is_at_limit: true,
        ..grants(&other)
    };
    let due = TermsMark::of(&at_limit, &basis, Vendor::Mikrotik);
    assert_eq!(
        due.differing(&mark(&other, Vendor::Mikrotik)),
        set(&[Term::Limits])
    );
}

#[test]
fn the_end_of_access_is_a_limit() {
    let plan = terms("1M/1M");
    let plan_mark = PlanMark::of(&plan);
    let of = |until| {
        let basis = Basis {
            plan: &plan_mark,
            plan_at_limit: None,
            until,
            top_ups: &[],
        };
        TermsMark::of(&grants(&plan), &basis, Vendor::Generic)
    };
    let later = UNTIL.plus_seconds(1);
    assert_eq!(
        of(Some(UNTIL)).differing(&of(Some(later))),
        set(&[Term::Limits])
    );
    assert_eq!(of(Some(UNTIL)), of(Some(UNTIL)));
}

#[test]
fn a_router_is_marked_by_what_it_is_told() {
    let (plan, garden) = (terms("1M/1M"), garden("walled"));
    let granted = |vendor| mark_of(&plan, &walled(&plan, &garden), vendor).granted();
    let told = [Term::Rate, Term::Limits, Term::Address, Term::Redirect];
    let with = |term| set(&[&told[..], &[term]].concat());
    assert_eq!(granted(Vendor::Mikrotik), with(Term::AddressList));
    assert_eq!(granted(Vendor::Cisco), with(Term::Filter));
    assert_eq!(granted(Vendor::Wispr), with(Term::Filter));
    let generic = set(&[Term::Limits, Term::Address, Term::Filter]);
    assert_eq!(granted(Vendor::Generic), generic);
    // Only MikroTik's routers count bytes for us.
    let counted = limited("1M/1M", "50G/month", AtLimit::Block);
    let generic = |plan| mark(plan, Vendor::Generic);
    assert_eq!(generic(&plan), generic(&counted));
}

const RATE: Term = Term::Rate;
const LIMITS: Term = Term::Limits;

#[track_caller]
fn check_effect(vendor: Vendor, from: TermsMark, to: TermsMark, expected: Effect) {
    assert_eq!(effect(Some(&from), &Due::Terms(to), vendor), expected);
}

#[test]
fn what_the_vendor_documents_is_changed_and_the_rest_ends() {
    let ended = |term| Effect::End(EndReason::TermsChanged(term));
    let (slow, fast) = (terms("1M/1M"), terms("2M/2M"));
    let moved = PlanTerms {
        pool: "other".parse().ok(),
        ..fast.clone()
    };
    let shorter = PlanTerms {
        session_timeout_seconds: TimeoutSeconds::new(60).ok(),
        ..fast.clone()
    };
    for (vendor, faster, and_shorter) in [
        (
            Vendor::Mikrotik,
            Effect::Change(set(&[RATE])),
            Effect::Change(set(&[RATE, LIMITS])),
        ),
        (
            Vendor::Wispr,
            Effect::Change(set(&[RATE])),
            Effect::Change(set(&[RATE, LIMITS])),
        ),
        (Vendor::Cisco, ended(RATE), ended(RATE)),
        // It was told no rate.
        (
            Vendor::Generic,
            Effect::Nothing,
            Effect::Change(set(&[LIMITS])),
        ),
    ] {
        let from = mark(&slow, vendor);
        check_effect(vendor, from, from, Effect::Nothing);
        check_effect(vendor, from, mark(&fast, vendor), faster);
        check_effect(vendor, from, mark(&shorter, vendor), and_shorter);
        let expected = match faster {
            Effect::End(_) => ended(RATE),
            Effect::Nothing | Effect::Change(_) => ended(Term::Address),
        };
        check_effect(vendor, from, mark(&moved, vendor), expected);
    }
}

#[test]
fn a_session_goes_into_a_garden_and_out_of_it_by_its_end() {
    let (plan, garden) = (terms("1M/1M"), garden("walled"));
    for (vendor, fence) in [
        (Vendor::Mikrotik, Term::Redirect),
        (Vendor::Wispr, Term::Redirect),
        (Vendor::Cisco, Term::Rate),
    ] {
        let open = mark(&plan, vendor);
        let inside = mark_of(&plan, &walled(&plan, &garden), vendor);
        let expected = Effect::End(EndReason::TermsChanged(fence));
        check_effect(vendor, open, inside, expected);
        let out = effect(Some(&inside), &Due::Terms(open), vendor);
        assert!(
            matches!(out, Effect::End(EndReason::TermsChanged(_))),
            "{out:?}"
        );
    }
    // A filter alone could be changed, but what is used in there is not used of the plan.
    let fence = Garden {
        terms: GardenTerms {
            redirect: None,
            ..garden.terms.clone()
        },
        ..garden
    };
    let open = mark(&plan, Vendor::Generic);
    let inside = mark_of(&plan, &walled(&plan, &fence), Vendor::Generic);
    let into = Effect::End(EndReason::TermsChanged(Term::Other));
    check_effect(Vendor::Generic, open, inside, into);
    let out = Effect::End(EndReason::TermsChanged(Term::Filter));
    check_effect(Vendor::Generic, inside, open, out);
}

#[test]
fn a_limit_that_is_gone_is_waited_for() {
    let endless = PlanTerms {
        session_timeout_seconds: None,
        ..terms("1M/1M")
    };
    for vendor in [Vendor::Mikrotik, Vendor::Cisco, Vendor::Generic] {
        let (from, to) = (mark(&terms("1M/1M"), vendor), mark(&endless, vendor));
        check_effect(vendor, from, to, Effect::Nothing);
    }
    let unlimited = PlanTerms {
        rate: None,
        ..terms("1M/1M")
    };
    let (from, to) = (terms("1M/1M"), unlimited);
    let (from, to) = (mark(&from, Vendor::Mikrotik), mark(&to, Vendor::Mikrotik));
    let ended = Effect::End(EndReason::TermsChanged(Term::Rate));
    check_effect(Vendor::Mikrotik, from, to, ended);
}

#[test]
fn a_session_of_which_nothing_is_known_is_told_what_can_be_told() {
    let (plan, garden) = (terms("1M/1M"), garden("walled"));
    let due = |vendor| Due::Terms(mark(&plan, vendor));
    let told = |vendor, due: &Due| effect(None, due, vendor);
    assert_eq!(
        told(Vendor::Mikrotik, &due(Vendor::Mikrotik)),
        Effect::Change(set(&[RATE, LIMITS]))
    );
    assert_eq!(
        told(Vendor::Cisco, &due(Vendor::Cisco)),
        Effect::Change(set(&[LIMITS]))
    );
    let inside = mark_of(&plan, &walled(&plan, &garden), Vendor::Mikrotik);
    assert_eq!(
        told(Vendor::Mikrotik, &Due::Terms(inside)),
        Effect::End(EndReason::TermsChanged(Term::Address))
    );
    let refused = EndReason::Refused(RejectReason::Suspended);
    let nothing = Due::Nothing(refused);
    assert_eq!(told(Vendor::Generic, &nothing), Effect::End(refused));
    assert_eq!(
        told(Vendor::Generic, &Due::Terms(TermsMark::default())),
        Effect::Nothing
    );
}

#[test]
fn rows_are_marked_by_term() {
    let of = |rate: &[u8], list: &[u8]| {
        let mut mark = RowMark::new();
        mark.add(Term::Rate, "Mikrotik-Rate-Limit", None, rate);
        mark.add(Term::AddressList, "Mikrotik-Address-List", None, list);
        mark.finish()
    };
    let before = of(b"1M/1M", b"gold");
    assert_eq!(before.differing(&of(b"1M/1M", b"gold")), TermSet::EMPTY);
    assert_eq!(before.differing(&of(b"2M/2M", b"gold")), set(&[Term::Rate]));
    assert_eq!(
        before.differing(&of(b"1M/1M", b"free")),
        set(&[Term::AddressList])
    );
    // Neither in one attribute nor from one to the next does anything flow together.
    let two = |one: &[u8], two: &[u8]| {
        let mut mark = RowMark::new();
        mark.add(Term::Other, "Cisco-AVPair", None, one);
        mark.add(Term::Other, "Cisco-AVPair", None, two);
        mark.finish()
    };
    assert_ne!(two(b"ab", b"c"), two(b"a", b"bc"));
}
